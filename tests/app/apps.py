"""An app with every kind of route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from etter_obs import track_request_metrics

CACHED = PlainTextResponse("the same object each time")


def make_app() -> FastAPI:
    """Return a new app."""
    app = FastAPI()
    app.state.go_on = asyncio.Event()
    app.state.go_on.set()
    inner = APIRouter(prefix="/inner")
    outer = APIRouter(prefix="/outer/{group}")

    @inner.api_route("/{item}", methods=["GET", "POST"])
    async def item(item: int) -> int:
        return item

    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")

    @app.get("/files/{path:path}")
    def files(path: str) -> str:
        return path

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("on purpose")

    @app.get("/unavailable")
    async def unavailable() -> None:
        raise HTTPException(503)

    @app.get("/missing/{item}")
    async def missing(item: str) -> None:
        raise HTTPException(404)

    @app.get("/stream")
    async def stream(fail_at: int = -1, pause: float = 0.0) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for number in range(5):
                if number == fail_at:
                    raise RuntimeError("in the middle")
                yield b"part"
                await asyncio.sleep(pause)

        return StreamingResponse(parts())

    @app.post("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    @app.get("/waits")
    async def waits(request: Request) -> str:
        while not await request.is_disconnected():
            await asyncio.sleep(0.005)
        return "nobody reads this"

    @app.get("/background")
    async def background(tasks: BackgroundTasks, fail: bool = False) -> str:
        async def work() -> None:
            await app.state.go_on.wait()
            if fail:
                raise RuntimeError("in the background")

        tasks.add_task(work)
        return "answered"

    @app.get("/named")
    @track_request_metrics("a-name")
    async def named() -> str:
        return "named"

    @app.get("/own-id")
    async def own_id() -> Response:
        return Response(headers={"X-Request-ID": "the app's own"})

    @app.get("/cached")
    async def cached() -> Response:
        return CACHED

    @app.websocket("/socket/{room}")
    async def socket(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        while (text := await websocket.receive_text()) != "end":
            await websocket.send_text(text)
        await websocket.close()

    async def plain(request: Request) -> Response:
        return PlainTextResponse("plain")

    app.router.routes.append(Route("/plain/{x}", plain))

    tenant = FastAPI()

    @tenant.get("/things/{thing}")
    async def thing(thing: str) -> str:
        return thing

    app.mount("/fixed", tenant)
    other = FastAPI()

    @other.get("/things/{thing}")
    async def other_thing(thing: str) -> str:
        return thing

    app.mount("/tenants/{tenant}", other)

    async def opaque(scope: object, receive: object, send: object) -> None:
        await PlainTextResponse("opaque")(scope, receive, send)  # type: ignore[arg-type]

    app.mount("/opaque", opaque)
    return app
