"""A client that leaves before its answer, under every server."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from tests.app.asgi import observed, scope, scrape
from tests.servers import running
from tests.waiting import eventually

_COUNTED = re.compile(r'etter_requests_total\{method="GET",endpoint="/slow",status="(\d+)"\} 1\b')


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn", "hypercorn", "granian"])
def test_a_client_that_leaves_first_is_a_499_under_every_server(server: str) -> None:
    """The request is counted as 499, and one whose client stays as 200."""
    with running(server, "tests.app.leaving_app:app") as run:
        with suppress(httpx.ReadTimeout):
            run.get("/slow", timeout=0.2)
        counted = eventually(
            lambda: _COUNTED.findall(run.get("/metrics").text), deadline_s=20, tell=run.said
        )
        assert counted == ["499"]
        assert run.get("/slow").text == '"too late"'
        eventually(
            lambda: sorted(_COUNTED.findall(run.get("/metrics").text)) == ["200", "499"],
            deadline_s=20,
            tell=run.said,
        )


async def test_a_server_that_answers_every_look_does_not_hold_the_response() -> None:
    """Where ``receive`` never waits and never disconnects, a slow response is sent all the same."""
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.15)  # so long that the middleware looks whether the client is there
        return "here"

    sent, looks = [], 0

    async def receive() -> Message:
        nonlocal looks
        looks += 1
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    with observed(app):
        async with asyncio.timeout(10):
            await app(scope("GET", "/slow"), receive, send)
        counted = (await scrape(app)).of("requests_total")
    assert sent[-1]["body"] == b'"here"'
    assert looks <= 4
    assert counted == {("GET", "/slow", "200"): 1}
