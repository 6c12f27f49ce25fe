"""Errors that the app's own handlers answer with a status of 500 and above."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from tests.app.asgi import observed, request, scrape
from tests.errors.sentry_receiver import sentry_receiver


class DatabaseError(HTTPException):
    """An error of the app that has a status."""

    def __init__(self, status: int = 500) -> None:
        super().__init__(status, "the database failed")


class ExternalError(Exception):
    """An error of the app's that a handler turns into a response."""


def make_app(error: Exception) -> FastAPI:
    """Return an app whose only route raises ``error``."""
    app = FastAPI()

    @app.exception_handler(ExternalError)
    async def answer(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"error": "external"}, 502)

    @app.get("/raises")
    async def raises() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "reported"),
    [
        (DatabaseError(), 500, ["DatabaseError"]),
        (DatabaseError(503), 503, ["DatabaseError"]),
        (DatabaseError(404), 404, []),
        (ExternalError("away"), 502, ["ExternalError"]),
        (HTTPException(503), 503, []),
        (StarletteHTTPException(500), 500, []),
        (RuntimeError("on purpose"), 500, ["RuntimeError"]),
    ],
    ids=repr,
)
async def test_an_error_of_500_and_above_reaches_sentry_once(
    error: Exception, status: int, reported: list[str]
) -> None:
    """Each error of the app's own does, whoever answers it; a status that was chosen does not."""
    with sentry_receiver() as sentry:
        app = make_app(error)
        changes: dict[str, Any] = {"error_tracking_enabled": True, "sentry_dsn": sentry.dsn}
        with observed(app, **changes) as observability:
            assert (await request(app, "GET", "/raises")).status == status
            assert observability.flush(10)
            counted = (await scrape(app)).of("exceptions_total")
        found = [event["exception"]["values"][-1]["type"] for event in sentry.events]
    assert found == reported
    assert [labels[-1] for labels in counted] == reported
    assert set(counted.values()) <= {1.0}
