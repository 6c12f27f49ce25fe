"""The ASGI application behind /metrics."""

from __future__ import annotations

import asyncio
import logging
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Final

from starlette.types import Receive, Scope, Send

from etter_obs._internal.bearer import has_bearer
from etter_obs._internal.metrics.negotiation import accepts_gzip, prefers_openmetrics
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.metrics.render import render

_OPENMETRICS: Final = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"
_SLICE_SECONDS: Final = 0.001
_SLICE_SIZE: Final = 1 << 16
"""Characters that are encoded and compressed per step, in half a millisecond."""
_GZIP: Final = 16 + zlib.MAX_WBITS

_log = logging.getLogger("etter_obs.metrics")


class MetricsEndpoint:
    """Serve a registry to authorised clients.

    The text is rendered, compressed and sent in slices of about a millisecond; other requests run
    between them.

    Args:
        registry: The registry to expose.
        token: If set, a scrape must carry ``Authorization: Bearer <token>``.
        multiproc_dir: Folder in which prometheus_client keeps the app's own metrics, if it does.
    """

    def __init__(
        self,
        registry: MetricsRegistry,
        token: str | None = None,
        multiproc_dir: Path | None = None,
    ) -> None:
        self._registry = registry
        self._multiproc_dir = multiproc_dir
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one scrape."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        if scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, (b"allow", b"GET, HEAD"))
            return
        if self._token is not None and not has_bearer(headers.get(b"authorization"), self._token):
            await _refuse(send, 401, (b"www-authenticate", b"Bearer"))
            return
        openmetrics = prefers_openmetrics(headers.get(b"accept", b"").decode("latin-1"))
        gzip = accepts_gzip(headers.get(b"accept-encoding", b"").decode("latin-1"))
        sent = [(b"content-type", _OPENMETRICS if openmetrics else _TEXT)]
        sent += [(b"vary", b"Accept, Accept-Encoding"), (b"cache-control", b"no-store")]
        if gzip:
            sent.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": 200, "headers": sent})
        if scope["method"] == "GET":
            others = await self._client_metrics(openmetrics)
            pieces = render(self._registry, openmetrics=openmetrics, others=others)
            for body in _slices(pieces, gzip=gzip):
                await send({"type": "http.response.body", "body": body, "more_body": True})
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    async def _client_metrics(self, openmetrics: bool) -> str:
        """Return the metrics of prometheus_client; empty if they cannot be read."""
        if "prometheus_client" not in sys.modules:
            return ""
        from etter_obs._internal.metrics.prometheus_client_bridge import client_text

        try:
            return await asyncio.to_thread(
                client_text,
                self._registry.prefix,
                self._multiproc_dir,
                self._registry.client,
                openmetrics=openmetrics,
            )
        except Exception:  # noqa: BLE001
            _log.warning("The metrics of prometheus_client cannot be read", exc_info=True)
            return ""


def _slices(pieces: Iterator[str], *, gzip: bool) -> Iterator[bytes]:
    """Join pieces into bodies, each a millisecond of rendering and half of one of compression."""
    packer = zlib.compressobj(level=1, wbits=_GZIP) if gzip else None
    done = False
    while not done:
        gathered: list[str] = []
        size, until = 0, perf_counter() + _SLICE_SECONDS
        for piece in pieces:
            gathered.append(piece)
            size += len(piece)
            if size >= _SLICE_SIZE or perf_counter() > until:
                break
        else:
            done = True
        body = "".join(gathered).encode("utf-8", "replace")
        if packer is not None:
            body = packer.compress(body)
            if done:
                body += packer.flush()
        yield body


async def _refuse(send: Send, status: int, header: tuple[bytes, bytes]) -> None:
    headers = [header, (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
