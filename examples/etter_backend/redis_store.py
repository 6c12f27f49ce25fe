"""The Redis client, and an embedded Redis if none is configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from examples.etter_backend.config import Config, config
from examples.etter_backend.database import faults
from examples.etter_backend.embedded import free_port, redis_server
from examples.etter_backend.faults import FaultSwitch, Target


def make_redis(config: Config, url: str, faults: FaultSwitch) -> Redis:
    """Return a client with short timeouts: an unreachable cache must not slow responses."""
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


_own_port = free_port()
redis = make_redis(config, config.redis_url or f"redis://127.0.0.1:{_own_port}/0", faults)


@asynccontextmanager
async def redis_running() -> AsyncIterator[None]:
    """Run an embedded server for this worker if REDIS_URL is not set."""
    if config.redis_url is not None:
        yield
        return
    with redis_server(_own_port):
        yield
