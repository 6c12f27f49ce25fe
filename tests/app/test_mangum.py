"""An app behind Mangum, as on AWS Lambda: a lifespan and an event loop for each call."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI
from mangum import Mangum

from etter_obs import setup_observability
from tests.app.asgi import scrape
from tests.services import Receiver
from tests.tracing.observed import settings_for


def event(path: str) -> dict[str, Any]:
    """Return what API Gateway's HTTP API sends for a GET."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "example.org"},
        "requestContext": {
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7"}
        },
        "isBase64Encoded": False,
    }


def test_each_call_is_observed_and_sent_before_it_returns(
    otlp: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lambda stops the process after a call: its span and its line are out by then."""
    app = FastAPI()

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        return item

    observability = setup_observability(
        app, settings=settings_for(otlp, span_delay=600.0, sampler="always_on")
    )
    handler = Mangum(app)
    loop = asyncio.new_event_loop()  # Mangum takes the thread's own
    asyncio.set_event_loop(loop)
    try:
        for number in (1, 2, 3):
            answer = handler(event(f"/items/{number}"), {})  # type: ignore[arg-type]
            assert (answer["statusCode"], answer["body"]) == (200, str(number))
            assert "x-request-id" in answer["headers"]
            assert [span.name for span in otlp.spans] == ["GET /items/{item}"] * number
        metrics = loop.run_until_complete(scrape(app))
        assert metrics.value("requests_total", "GET", "/items/{item}", "200") == 3
        assert handler(event("/health/ready"), {})["statusCode"] == 200  # type: ignore[arg-type]
    finally:
        observability.shutdown()
        asyncio.set_event_loop(None)
        loop.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    access = [line for line in lines if line["message"] == "Request completed"]
    assert [line["path"] for line in access] == ["/items/1", "/items/2", "/items/3"]
    assert "could not" not in str(lines)
