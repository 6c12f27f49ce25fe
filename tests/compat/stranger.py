"""A stranger's app: uses every library that is installed, answers requests, and prints its metrics.

test_install.py copies it into an empty environment and runs it there, so it imports nothing else of
this project. Variables: ``REDIS_URL``, and ``ASYNC_ENGINE`` where the engine is to be async.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from typing import Any

import etter_obs
from etter_obs import get_logger, setup_observability

HAS = {name: find_spec(name) is not None for name in ("fastapi", "sqlalchemy", "redis", "httpx")}


class Peer(BaseHTTPRequestHandler):
    """Answers the app's outgoing calls."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


peer = HTTPServer(("127.0.0.1", 0), Peer)
threading.Thread(target=peer.serve_forever, daemon=True).start()


def make_engine() -> Any:
    """Return an engine in memory; None without SQLAlchemy."""
    if not HAS["sqlalchemy"]:
        return None
    if "ASYNC_ENGINE" in os.environ:
        from sqlalchemy.ext.asyncio import create_async_engine

        return create_async_engine("sqlite+aiosqlite://")
    from sqlalchemy import create_engine

    return create_engine("sqlite://")


def make_redis() -> Any:
    """Return a client; None without redis-py."""
    if not HAS["redis"]:
        return None
    from redis import Redis

    return Redis.from_url(os.environ["REDIS_URL"])


engine, redis = make_engine(), make_redis()


async def work() -> None:
    """Use what there is."""
    if engine is not None:
        from sqlalchemy import text

        if "ASYNC_ENGINE" in os.environ:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        else:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
    if redis is not None:
        redis.set("key", "value")
    if HAS["httpx"]:
        import httpx

        async with httpx.AsyncClient() as client:
            await client.get(f"http://127.0.0.1:{peer.server_port}/")
    logging.getLogger("stranger").info("worked")
    get_logger("stranger").info("worked too")


def make_app() -> Any:
    """Return the app: FastAPI's, or Starlette's where that is all there is."""
    if HAS["fastapi"]:
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/items/{item}")
        @etter_obs.timed("reading")
        async def read(item: int) -> dict[str, int]:
            await work()
            return {"item": item}

        return app
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def read_plainly(request: Request) -> Response:
        await work()
        return JSONResponse({"item": int(request.path_params["item"])})

    return Starlette(routes=[Route("/items/{item}", read_plainly)])


app = make_app()
PATHS = ("/items/7", "/items/8", "/health/ready", "/metrics")


def ask_by_test_client() -> list[tuple[int, str]]:
    """Ask as tests do."""
    from starlette.testclient import TestClient

    with TestClient(app) as client:
        answers = [client.get(path) for path in PATHS]
    return [(answer.status_code, answer.text) for answer in answers]


async def ask_by_hand() -> list[tuple[int, str]]:
    """Ask as a server does, where there is no client: start, requests, end."""
    to_app: asyncio.Queue[Any] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    answers = []
    for path in PATHS:
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "http_version": "1.1",
            "scheme": "http",
            "client": ("192.0.2.7", 1),
            "server": ("app", 80),
            "root_path": "",
        }
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        await asyncio.create_task(app(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent)
        answers.append((sent[0]["status"], body.decode()))
    await to_app.put({"type": "lifespan.shutdown"})
    await life
    return answers


if __name__ == "__main__":
    assert etter_obs.__file__.startswith(sys.prefix), etter_obs.__file__
    obs = setup_observability(app, engine=engine, redis=redis)
    answers = ask_by_test_client() if HAS["httpx"] else asyncio.run(ask_by_hand())
    obs.shutdown()
    print(json.dumps({"answers": answers}))
