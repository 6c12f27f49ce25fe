"""Calls health endpoints with HTTP semantics, without a server."""

from __future__ import annotations

import httpx
from httpx._types import HeaderTypes
from starlette.types import Receive, Scope, Send

from etter_obs._internal.health import Health


async def ask(
    health: Health,
    path: str,
    *,
    method: str = "GET",
    headers: HeaderTypes | None = None,
    client: str = "127.0.0.1",
) -> httpx.Response:
    """Send one request, as coming from ``client``, to the endpoints of the app's own port."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await health.endpoints[scope["path"]](scope, receive, send)

    transport = httpx.ASGITransport(app=app, client=(client, 4321))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        return await http.request(method, path, headers=headers)
