"""An app that logs by two libraries, for servers that configure logging in their own ways."""

from __future__ import annotations

import logging

from fastapi import FastAPI

from etter_obs import get_logger, setup_observability

app = FastAPI()
setup_observability(app)


@app.get("/ping")
async def ping() -> str:
    """Log one line by each."""
    get_logger(__name__).info("of structlog", password="Hunter2Zq9")
    logging.getLogger("served").info("of logging", extra={"password": "Hunter2Zq9"})
    return "pong"


@app.get("/broken")
async def broken() -> None:
    """Fail, so that the server logs a traceback."""
    raise ValueError("password=Hunter2Zq9")
