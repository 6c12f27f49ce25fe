"""An app with every kind of route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from etter_obs import track_request_metrics

CACHED = PlainTextResponse("the same object each time")
inner = APIRouter(prefix="/inner")
outer = APIRouter(prefix="/outer/{group}")
routes = APIRouter()


def make_app() -> FastAPI:
    """Return a new app; its background tasks wait for ``app.state.go_on``."""
    app = FastAPI()
    app.state.go_on = asyncio.Event()
    app.state.go_on.set()
    app.include_router(outer, prefix="/v1")
    app.include_router(routes)
    app.router.routes.append(Route("/plain/{x}", plain))
    app.mount("/fixed", make_sub_app())
    app.mount("/tenants/{tenant}", make_sub_app())
    app.mount("/opaque", opaque)
    return app


def make_sub_app() -> FastAPI:
    """Return an app to be mounted."""
    app = FastAPI()

    @app.get("/things/{thing}")
    async def thing(thing: str) -> str:
        return thing

    return app


@inner.api_route("/{item}", methods=["GET", "POST"])
async def item(item: int) -> int:
    """Below two routers, each with a prefix."""
    return item


outer.include_router(inner)


@routes.get("/files/{path:path}")
def files(path: str) -> str:
    """Run in a thread."""
    return path


@routes.get("/fails")
async def fails() -> None:
    """Raise what nobody handles."""
    raise RuntimeError("on purpose")


@routes.get("/unavailable")
async def unavailable() -> None:
    """Choose to answer 503."""
    raise HTTPException(503)


@routes.get("/missing/{item}")
async def missing(item: str) -> None:
    """Choose to answer 404."""
    raise HTTPException(404)


@routes.get("/stream")
async def stream(fail_at: int = -1, pause: float = 0.0) -> StreamingResponse:
    """Answer in five parts."""

    async def parts() -> AsyncIterator[bytes]:
        for number in range(5):
            if number == fail_at:
                raise RuntimeError("in the middle")
            yield b"part"
            await asyncio.sleep(pause)

    return StreamingResponse(parts())


@routes.post("/body")
async def body(request: Request) -> int:
    """Read the body."""
    return len(await request.body())


@routes.get("/waits")
async def waits(request: Request) -> str:
    """Answer when the client is gone."""
    while not await request.is_disconnected():  # noqa: ASYNC110  # there is no event for it
        await asyncio.sleep(0.005)
    return "nobody reads this"


@routes.get("/background")
async def background(request: Request, tasks: BackgroundTasks, fail: bool = False) -> str:
    """Leave a task behind."""

    async def work() -> None:
        await request.app.state.go_on.wait()
        if fail:
            raise RuntimeError("in the background")

    tasks.add_task(work)
    return "answered"


@routes.get("/named")
@track_request_metrics("a-name")
async def named() -> str:
    """Be called by another name."""
    return "named"


@routes.get("/own-id")
async def own_id() -> Response:
    """Set the header that is ours to set."""
    return Response(headers={"X-Request-ID": "the app's own"})


@routes.get("/cached")
async def cached() -> Response:
    """Send one response object again and again."""
    return CACHED


@routes.websocket("/socket/{room}")
async def socket(websocket: WebSocket, room: str) -> None:
    """Echo until the client sends ``end``."""
    await websocket.accept()
    while (text := await websocket.receive_text()) != "end":
        await websocket.send_text(text)
    await websocket.close()


async def plain(request: Request) -> Response:
    """Answer as a plain Starlette endpoint."""
    return PlainTextResponse("plain")


async def opaque(scope: Any, receive: Any, send: Any) -> None:
    """Answer as an ASGI application that knows no routes."""
    await PlainTextResponse("opaque")(scope, receive, send)
