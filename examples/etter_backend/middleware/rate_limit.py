"""A rate limit for each client."""

from __future__ import annotations

import time
from math import ceil
from typing import Final

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from prometheus_client import Counter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError
from starlette.types import ASGIApp, Receive, Scope, Send

from etter_obs import get_logger
from examples.etter_backend.common.error_handlers import failure
from examples.etter_backend.common.exceptions import RateLimitError

logger = get_logger(__name__)

DECISIONS: Final = Counter(
    "etter_rate_limit_decisions",
    "Requests that the rate limit allowed, refused or could not count.",
    ["decision"],
)
_REST_SECONDS: Final = 1.0
"""Pause after a failure of Redis, so that requests do not wait for it."""
_PROBES: Final = ("/health", "/metrics")


class RateLimitMiddleware:
    """Limits the requests of each client in a moving window.

    One script in Redis decides and counts, so two requests cannot both take the last place, and a
    refused request takes none. If Redis is unreachable, requests pass; one warning and a counter
    report it, because a limit must not take the service down.

    The client is the address in the scope. The server reads it from X-Forwarded-For only behind a
    trusted proxy (uvicorn's --forwarded-allow-ips).

    Args:
        app: the next app.
        pool: connections to Redis.
        requests: limit of each client per window.
        window: its length in seconds.
    """

    def __init__(self, app: ASGIApp, *, pool: ConnectionPool, requests: int, window: int) -> None:
        self._app = app
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="etter:rate_limit",
            connection_pool=pool,  # type: ignore[arg-type]
        )
        self._limiter = MovingWindowRateLimiter(storage)
        self._limit = RateLimitItemPerSecond(requests, window)
        self._is_away = False
        self._rests_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; probes are not limited."""
        if scope["type"] != "http" or scope["path"].startswith(_PROBES):
            await self._app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else "unknown"
        retry_after = await self._refused(client)
        if retry_after is None:
            await self._app(scope, receive, send)
        else:
            await failure(RateLimitError(retry_after))(scope, receive, send)

    async def _refused(self, client: str) -> int | None:
        """Return None if the request may pass, otherwise the seconds until it may."""
        if time.monotonic() < self._rests_until:
            DECISIONS.labels("unavailable").inc()
            return None
        try:
            if await self._limiter.hit(self._limit, client):
                retry_after = None
            else:
                reset, _ = await self._limiter.get_window_stats(self._limit, client)
                retry_after = max(1, ceil(reset - time.time()))
        except (RedisError, OSError) as error:
            if not self._is_away:
                logger.warning(
                    "Redis is unreachable, so requests are not limited", error=type(error).__name__
                )
            self._is_away = True
            self._rests_until = time.monotonic() + _REST_SECONDS
            DECISIONS.labels("unavailable").inc()
            return None
        self._is_away = False
        DECISIONS.labels("allowed" if retry_after is None else "refused").inc()
        return retry_after
