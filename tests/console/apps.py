"""A small app with the console, for its tests: routes that query, call, log, fail."""

from __future__ import annotations

import logging
import os
from typing import Any

import httpx
from fastapi import FastAPI, Request
from redis.asyncio import Redis
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool

from etter_obs import setup_observability

_LOG = logging.getLogger("shop")


def make_app() -> FastAPI:
    """Return the app, with a database in memory and the Redis of REDIS_URL, if it is set."""
    app = FastAPI()
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    url = os.environ.get("REDIS_URL")
    redis: Redis | None = Redis.from_url(url) if url else None

    @app.get("/items/{count}")
    def items(count: int) -> dict[str, int]:
        """Run a statement so many times."""
        with engine.connect() as connection:
            for number in range(count):
                connection.execute(text("SELECT :number, 'a secret value'"), {"number": number})
        _LOG.info("items were read", extra={"count": count})
        return {"count": count}

    @app.get("/calls")
    async def calls(request: Request) -> dict[str, bool]:
        """Ask Redis, and an address of this app."""
        if redis is not None:
            await redis.set("greeting", "hello")
        async with httpx.AsyncClient() as client:
            await client.get(f"{request.base_url}items/1?token=Hunter2Zq9")
        return {"called": True}

    @app.get("/say")
    async def say(line: str) -> dict[str, str]:
        """Log what the caller says."""
        _LOG.warning("%s", line, extra={"said": line})
        return {"said": line}

    @app.get("/boom")
    async def boom(line: str = "broken") -> dict[str, Any]:
        """Fail with what the caller says."""
        raise ValueError(line)

    setup_observability(app, engine=engine, redis=redis)
    return app
