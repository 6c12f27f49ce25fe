"""Who may ask the viewer, by the rules of the console."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etter_obs._internal.web.access import Access, Verdict
from etter_obs._internal.web.headers import HEADERS

_CLOSED: Final = "open the link that `etter-obs view` printed: it carries the token\n"


class Gate:
    """Middleware: everything below ``/api/`` takes the token; the bare page tells nothing.

    So a link in a message opens from anywhere, and the page that it opens asks with its own cookie.

    Args:
        app: What is behind the gate.
        access: Decides about a request.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)  # the lifespan
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self._behind(scope)(scope, receive, with_headers)

    def _behind(self, scope: Scope) -> ASGIApp:
        request = Request(scope)
        verdict = self._access.of(scope)
        if "token" in request.query_params and verdict is Verdict.TOKEN_IN_LINK:
            # The cookie takes the token over, so that it leaves the address and the history.
            answer = RedirectResponse("/", 303)
            answer.raw_headers.append(
                (b"set-cookie", self._access.set_cookie(scope, "/")),
            )
            return answer
        if not request.url.path.startswith("/api/") or verdict is Verdict.GRANTED:
            return self._app
        if verdict is Verdict.REFUSED:
            return PlainTextResponse("not from here\n", 403)
        return PlainTextResponse(_CLOSED, 401)
