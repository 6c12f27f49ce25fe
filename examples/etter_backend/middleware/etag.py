"""ETags by RFC 9110: an unchanged body is not sent again."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from examples.etter_backend.schemas.base import ENVELOPE_TIME

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
_OF_A_304: Final = {
    *("cache-control", "content-location", "date", "etag", "expires", "set-cookie", "vary"),
    *("x-request-id", "x-response-time"),
}
"""Headers of a 304 (RFC 9110, section 15.4.5), and those of this service."""


class ETagMiddleware:
    """Adds an ETag to each successful GET, and returns 304 if the client already has it.

    The tag is weak, because the outer compression changes the bytes but not their meaning.
    A response in several parts is a stream and is not changed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        asked = ",".join(Headers(scope=scope).getlist("if-none-match"))

        async def tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_tagged(message):
                start = message
                return
            if start is not None:
                head, start = start, None
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    await _answer(head, message, asked, send)
                    return
                await send(head)
            await send(message)

        await self._app(scope, receive, tagged)


def _is_tagged(start: Message) -> bool:
    """Return whether the response gets a tag: a 200 without one that may be stored."""
    headers = Headers(raw=start["headers"])
    stored = "no-store" not in headers.get("cache-control", "")
    return start["status"] == 200 and stored and "etag" not in headers


async def _answer(start: Message, body: Message, asked: str, send: Send) -> None:
    tag = etag_of(body.get("body", b""))
    headers = MutableHeaders(raw=start["headers"])
    headers["etag"] = tag
    if "cache-control" not in headers:
        headers["cache-control"] = "private, no-cache"  # stored, and revalidated each time
    if not _matches(asked, tag):
        await send(start)
        await send(body)
        return
    headers.add_vary_header("Accept-Encoding")
    kept = [(name, value) for name, value in headers.raw if name.decode() in _OF_A_304]
    await send({**start, "status": 304, "headers": kept})
    await send({"type": "http.response.body", "body": b""})


def etag_of(body: bytes) -> str:
    """Return the tag of a body, without the time of its envelope, which always differs."""
    found = ENVELOPE_TIME.match(body)
    same = body[: found.start(1)] + body[found.end(1) :] if found else body
    return f'W/"{hashlib.blake2b(same, digest_size=16).hexdigest()}"'


def _matches(asked: str, tag: str) -> bool:
    """Compare weakly with each tag of If-None-Match; an asterisk matches any."""
    if asked.strip() == "*":
        return True
    return tag.removeprefix("W/").strip('"') in _TAG.findall(asked)
