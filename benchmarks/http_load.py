"""Requests over HTTP at a fixed rate, whatever the server's answers take.

The latency of a request counts from the moment at which the rate required it, so that a stall of
the server delays every request behind it in the figures, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.apps import HEADERS

_CONNECTIONS = 8
_LINES = b"".join(b"%s: %s\r\n" % header for header in HEADERS)


class _Client(asyncio.Protocol):
    """One kept-alive connection; every answer is a small JSON object that ends with a brace."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._received = b""
        self._answered: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"}") and self._answered is not None:
            self._received = b""
            self._answered.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error or ConnectionError("the server closed"))

    async def get(self, path: str) -> None:
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(b"GET %s HTTP/1.1\r\n%s\r\n" % (path.encode(), _LINES))
        await self._answered


async def _load(port: int, targets: Sequence[str], rate: float) -> list[float]:
    loop = asyncio.get_running_loop()
    idle: asyncio.Queue[_Client] = asyncio.Queue()
    clients = []
    for _ in range(_CONNECTIONS):
        transport, client = await loop.create_connection(_Client, "127.0.0.1", port)
        clients.append(transport)
        idle.put_nowait(client)
    latencies: list[float] = []

    async def one(path: str, due: float) -> None:
        client = await idle.get()
        await client.get(path)
        latencies.append(time.perf_counter() - due)
        idle.put_nowait(client)

    start = time.perf_counter()
    running = []
    for number, path in enumerate(targets):
        due = start + number / rate
        if (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        running.append(asyncio.create_task(one(path, due)))
    await asyncio.gather(*running)
    for transport in clients:
        transport.abort()
    return latencies


def at_fixed_rate(port: int, targets: Sequence[str], rate: float) -> list[float]:
    """Request each path at ``rate`` requests a second; return the latencies in seconds."""
    return asyncio.run(_load(port, targets, rate))
