"""A health check for Redis."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import AuthenticationError, MaxConnectionsError
from redis.exceptions import ConnectionError as RedisConnectionError

from etter_obs._internal.conventions import HealthReason


def redis_check(client: Any) -> Callable[[], HealthReason | Awaitable[HealthReason]]:
    """Return a check for ``Health.add``: coroutine function for an async client, else a function.

    The check pings over the client's own pool, without counting in its metrics. It returns
    ``POOL_EXHAUSTED`` if the pool has no free connection and raises ``ConnectionError`` if the
    server is unreachable.
    """
    ping = type(client).execute_command

    def reason_of(error: RedisConnectionError) -> HealthReason:
        if isinstance(error, MaxConnectionsError):
            return HealthReason.POOL_EXHAUSTED
        if isinstance(error, AuthenticationError):
            raise error
        raise ConnectionError("Redis does not answer") from error

    def check() -> HealthReason:
        try:
            ping(client, "PING")
        except RedisConnectionError as error:
            return reason_of(error)
        return HealthReason.OK

    async def check_async() -> HealthReason:
        try:
            await ping(client, "PING")
        except RedisConnectionError as error:
            return reason_of(error)
        return HealthReason.OK

    return check_async if inspect.iscoroutinefunction(ping) else check
