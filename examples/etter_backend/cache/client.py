"""The Redis client, and an embedded Redis if none is configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from examples.etter_backend.cache.embedded import free_port, redis_server
from examples.etter_backend.controls.faults import FaultSwitch, Target
from examples.etter_backend.settings import Settings


class RedisStore:
    """The client, with short timeouts: an unreachable cache must not slow responses."""

    def __init__(self, settings: Settings, faults: FaultSwitch) -> None:
        self._own_port: int | None = None
        options: dict[str, Any] = {}
        if settings.redis_url is not None:
            url = settings.redis_url
        else:
            host, port = settings.redis_host, settings.redis_port
            if host is None:
                host, port = "127.0.0.1", free_port()
                self._own_port = port
            url = f"redis://{host}:{port}/{settings.redis_db}"
            if settings.redis_password is not None:
                options["password"] = settings.redis_password.get_secret_value()
        if faults.enabled:
            options["connection_class"] = _breakable(
                SSLConnection if url.startswith("rediss:") else Connection, faults
            )
        self.pool: ConnectionPool = ConnectionPool.from_url(
            url,
            decode_responses=True,
            max_connections=settings.redis_max_connections,
            socket_connect_timeout=0.3,
            socket_timeout=0.5,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            **options,
        )
        self.client = Redis.from_pool(self.pool)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run an embedded server for this worker if none is configured; close the client."""
        try:
            if self._own_port is None:
                yield
            else:
                with redis_server(self._own_port):
                    yield
        finally:
            await self.client.aclose()


def _breakable(base: type[Connection], faults: FaultSwitch) -> type[Connection]:
    class BreakableConnection(base):  # type: ignore[misc, valid-type]
        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            fault = faults.current().get(Target.CACHE)
            if fault is not None:
                await asyncio.sleep(fault.latency_seconds)
                if fault.strikes():
                    raise RedisConnectionError("broken on purpose")
            await super().send_packed_command(*args, **kwargs)

    return BreakableConnection
