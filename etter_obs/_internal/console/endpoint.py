"""The ASGI application behind ``/_obs/``: static files, and answers as JSON. It only reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from etter_obs._internal.conventions import Path
from etter_obs._internal.web.access import Access, Verdict
from etter_obs._internal.web.headers import HEADERS

Answer = Callable[[dict[str, str]], Awaitable[bytes]]
"""Returns JSON for the parameters of the query; raises ValueError for wrong ones."""

_FILES: Final = {
    "": ("index.html", b"text/html; charset=utf-8"),
    "app.js": ("app.js", b"text/javascript; charset=utf-8"),
    "app.css": ("app.css", b"text/css; charset=utf-8"),
}
_TEXT: Final = b"text/plain; charset=utf-8"
_JSON: Final = b"application/json"
_NO_TOKEN: Final = (
    b"Open the link that the app printed on standard error when it started: it carries the token.\n"
)


class ConsoleEndpoint:
    """Serves the console.

    Args:
        access: Decides who may see it.
        answers: Name of an answer below ``api/`` → what returns it.
    """

    def __init__(self, access: Access, answers: dict[str, Answer]) -> None:
        self._access = access
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        verdict = self._access.of(scope)
        if verdict is Verdict.REFUSED:
            await _send(scope, send, 403, b"", _TEXT)
            return
        if verdict is Verdict.NO_TOKEN:
            await _send(scope, send, 401, _NO_TOKEN, _TEXT)
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _send(scope, send, 405, b"", _TEXT, (b"allow", b"GET, HEAD"))
            return
        root = f"{scope.get('root_path', '')}{Path.CONSOLE}"
        place = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix(Path.CONSOLE)
        if verdict is Verdict.TOKEN_IN_LINK or not place:
            # The cookie takes the token over, so that it leaves the address and the history.
            headers = [(b"location", f"{root}/".encode())]
            if verdict is Verdict.TOKEN_IN_LINK:
                headers.append((b"set-cookie", self._access.set_cookie(scope, f"{root}/")))
            await _send(scope, send, 303, b"", _TEXT, *headers)
            return
        await self._serve(place.removeprefix("/"), scope, send)

    async def _serve(self, place: str, scope: Scope, send: Send) -> None:
        if place in _FILES:
            name, media_type = _FILES[place]
            await _send(scope, send, 200, _file(name), media_type)
            return
        answer = self._answers.get(place.removeprefix("api/"))
        if answer is None or not place.startswith("api/"):
            await _send(scope, send, 404, b"", _TEXT)
            return
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        try:
            body = await answer(query)
        except (KeyError, TypeError, ValueError):
            await _send(scope, send, 400, b'{"detail":"wrong parameters"}', _JSON)
            return
        await _send(scope, send, 404 if body == b"null" else 200, body, _JSON)


@cache
def _file(name: str) -> bytes:
    return files("etter_obs._internal.web").joinpath("static", "console", name).read_bytes()


async def _send(
    scope: Scope,
    send: Send,
    status: int,
    body: bytes,
    media_type: bytes,
    *headers: tuple[bytes, bytes],
) -> None:
    own = ((b"content-type", media_type), (b"content-length", str(len(body)).encode()))
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*own, *HEADERS, *headers],
        }
    )
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
