"""What code of a request knows of it, on whichever thread, task or client."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
import structlog
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient

from etter_obs import bind_request, current_request_id, get_logger
from etter_obs.testing.logs import LogRecorder, recording_logs
from tests.app.asgi import observed

log = get_logger(__name__)
tenant: ContextVar[str] = ContextVar("tenant", default="none")
ID = {"X-Request-ID": "the-request"}


@asynccontextmanager
async def asked(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Observe ``app`` and call it in this task."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    with observed(app):
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            yield client


async def test_the_id_of_the_request_is_known_wherever_it_is_served() -> None:
    """In async and sync endpoints, dependencies, threads, background tasks; None elsewhere."""
    app = FastAPI()
    seen: list[str | None] = []

    def dependency() -> None:
        seen.append(current_request_id())

    @app.get("/sync", dependencies=[Depends(dependency)])
    def sync(background: BackgroundTasks) -> str | None:
        background.add_task(dependency)
        return current_request_id()

    @app.get("/async", dependencies=[Depends(dependency)])
    async def asynchronous() -> str | None:
        await asyncio.to_thread(dependency)
        return current_request_id()

    async with asked(app) as client:
        for path in ("/sync", "/async"):
            answer = await client.get(path, headers=ID)
            assert answer.json() == answer.headers["X-Request-ID"] == "the-request"
        assert current_request_id() is None
    assert seen == ["the-request"] * 4


def test_the_id_of_a_connection_is_known() -> None:
    """A WebSocket has one too."""
    app = FastAPI()

    @app.websocket("/ws")
    async def serve(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(current_request_id())
        await socket.close()

    with (
        observed(app),
        TestClient(app) as client,
        client.websocket_connect("/ws", headers=ID) as socket,
    ):
        assert socket.receive_json() == "the-request"


async def test_what_a_sync_dependency_binds_is_on_all_lines() -> None:
    """`bind_request` reaches all lines after it, and the access line; no other request."""
    app = FastAPI()

    def user() -> None:
        bind_request(user="ada", api_key="Hunter2Zq9")
        bind_request(role="admin")

    @app.get("/", dependencies=[Depends(user)])
    def root() -> None:
        log.info("mine", role="own")
        logging.getLogger("tests").info("of logging")

    @app.get("/other")
    def other() -> None:
        log.info("other")

    with recording_logs() as logs:
        async with asked(app) as client:
            await client.get("/", headers=ID)
            await client.get("/other")
            bind_request(user="nobody")
            mine, of_logging = logs.where(message="mine"), logs.where(message="of logging")
            access, other_access = logs.where(message="Request completed")
            (other_line,) = logs.where(message="other")
    for line in (*mine, *of_logging, access):
        assert (line["user"], line["api_key"]) == ("ada", "[redacted]")
        assert line["request_id"] == "the-request"
    assert (mine[0]["role"], of_logging[0]["role"], access["role"]) == ("own", "admin", "admin")
    assert "user" not in other_line
    assert "user" not in other_access


def lines_of_threads(logs: LogRecorder) -> dict[str, Any]:
    """Return the request ids of lines, by their message."""
    return {line["message"]: line["request_id"] for line in logs.where(logger=__name__)}


async def test_lines_of_an_executor_have_ids_where_the_context_goes_along() -> None:
    """`asyncio.to_thread` and `Context.run` take the request along; a bare executor does not."""
    app = FastAPI()

    @app.get("/")
    async def root() -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, log.info, "bare")
        context = contextvars.copy_context()
        await loop.run_in_executor(None, context.run, log.info, "with its context")
        await asyncio.to_thread(log.info, "to_thread")

    with recording_logs() as logs:
        async with asked(app) as client:
            await client.get("/", headers=ID)
            found = lines_of_threads(logs)
    assert found == {"bare": None, "with its context": "the-request", "to_thread": "the-request"}


async def test_a_client_in_the_process_keeps_its_own_context() -> None:
    """Each request of one task sees what its caller has bound last, not what the first one saw."""
    app = FastAPI()

    @app.get("/")
    async def root() -> list[Any]:
        return [tenant.get(), structlog.contextvars.get_contextvars().get("session")]

    async with asked(app) as client:
        for name in ("first", "second"):
            token = tenant.set(name)
            with structlog.contextvars.bound_contextvars(session=name):
                assert (await client.get("/")).json() == [name, name]
                assert current_request_id() is None
            tenant.reset(token)
        assert (await client.get("/")).json() == ["none", None]


@pytest.mark.parametrize("is_over", [False, True])
async def test_a_call_from_within_a_request_takes_its_context_along(is_over: bool) -> None:
    """A task of a request that asks an app in the process is its caller, also when it is over."""
    app = FastAPI()
    tasks: list[asyncio.Task[Any]] = []
    answers: list[Any] = []
    go_on = asyncio.Event()
    ask: list[Callable[[], Any]] = []

    @app.get("/inner")
    async def inner() -> list[str | None]:
        return [tenant.get(), current_request_id()]

    @app.get("/outer")
    async def outer() -> None:
        tenant.set("of the request")

        async def call() -> None:
            if is_over:
                await go_on.wait()
            answers.append((await ask[0]()).json())
            answers.append(current_request_id())

        tasks.append(asyncio.create_task(call()))
        if not is_over:
            await tasks[0]

    token = tenant.set("of the first request")
    async with asked(app) as client:
        ask.append(lambda: client.get("/inner", headers={"X-Request-ID": "inner"}))
        await client.get("/inner")
        tenant.reset(token)
        await client.get("/outer", headers=ID)
        go_on.set()
        await tasks[0]
    assert answers == [["of the request", "inner"], "the-request"]
