"""A bare ASGI app whose health is served by a real uvicorn, for tests of signals and ports.

Its lifespan calls Health as the package's middleware does.
"""

from __future__ import annotations

from starlette.types import Message, Receive, Scope, Send

from etter_obs._internal.health import Health
from etter_obs._internal.settings import Settings

health = Health(Settings.from_env())
health.add("database", lambda: False, critical=False)


async def metrics(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Return one line in place of the exposition."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"up 1\n"})


health.serve("/metrics", metrics)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the lifespan and the health endpoints."""
    if scope["type"] == "http":
        await health.endpoints[scope["path"]](scope, receive, send)
        return
    message: Message = await receive()
    health.start()
    await send({"type": f"{message['type']}.complete"})
    health.mark_started()
    message = await receive()
    health.close()
    await send({"type": f"{message['type']}.complete"})
