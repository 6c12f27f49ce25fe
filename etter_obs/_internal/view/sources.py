"""Passes the page's questions on to Prometheus, Loki and Tempo: these paths only, reads only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_NAME: Final = r"[\w.:%~-]+"
PATHS: Final = {
    "prometheus": re.compile(
        rf"api/v1/(query|query_range|query_exemplars|alerts|rules|labels|label/{_NAME}/values)"
    ),
    "loki": re.compile(rf"loki/api/v1/(query|query_range|labels|label/{_NAME}/values)"),
    "tempo": re.compile(rf"api/(search|v2/traces/{_NAME})"),
}
"""What may be asked of each kind of source."""
_METHODS: Final = ("GET", "POST")
_MOST_BYTES: Final = 64 * 2**20
_WITHIN: Final = 60.0
_LONGEST_QUESTION: Final = 2**20


@dataclass(frozen=True, slots=True)
class Source:
    """A server that is asked.

    Args:
        kind: ``prometheus``, ``loki`` or ``tempo``.
        url: Its base address, without a trailing slash.
        client: What it is asked with.
    """

    kind: str
    url: str
    client: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=_WITHIN, follow_redirects=False)
    )

    async def ask(self, request: Request, path: str) -> Response:
        """Ask for ``path`` what the page asked, and return the answer's status and body.

        Of the page's headers none is passed on, and of the source's only the content type.
        """
        if request.method not in _METHODS or not PATHS[self.kind].fullmatch(path):
            return PlainTextResponse("not a path that the viewer asks\n", 403)
        body = await request.body()
        if len(body) > _LONGEST_QUESTION:
            return PlainTextResponse("the question is too long\n", 413)
        headers = {"accept": "application/json"}
        if request.method == "POST":
            headers["content-type"] = "application/x-www-form-urlencoded"
        try:
            async with self.client.stream(
                request.method,
                f"{self.url}/{path}",
                params=str(request.query_params),
                content=body or None,
                headers=headers,
            ) as answer:
                kept = bytearray()
                async for part in answer.aiter_bytes():
                    kept += part
                    if len(kept) > _MOST_BYTES:
                        return PlainTextResponse("the answer is too long\n", 502)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            return PlainTextResponse(f"{self.kind} at {self.url} does not answer: {reason}\n", 502)
        return Response(
            bytes(kept), answer.status_code, media_type=answer.headers.get("content-type")
        )
