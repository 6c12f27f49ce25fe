"""Where ``cached`` functions keep their results: Redis, which may be away."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from etter_obs.conventions import CACHE_HITS, CACHE_MISSES

if TYPE_CHECKING:
    from etter_obs.metrics.registry import MetricsRegistry

_LOG: Final = logging.getLogger(__name__)
_REST_SECONDS: Final = 1.0
"""How long a Redis that failed is left alone: while it is away, requests must not wait for it."""


class Cache:
    """Where ``cached`` functions keep their results.

    Args:
        client: ``redis.Redis`` or ``redis.asyncio.Redis``. A sync one should have a
            ``socket_timeout``, for nothing else can end its waiting.
        registry: takes ``cache_hits_total`` and ``cache_misses_total``.
        prefix: stands before every key.
        timeout: seconds that an async client is waited for.
    """

    def __init__(
        self, client: Any, registry: MetricsRegistry, *, prefix: str = "cache", timeout: float = 0.5
    ) -> None:
        self.is_async = inspect.iscoroutinefunction(type(client).execute_command)
        self._client = client
        self._hits = registry.counter(CACHE_HITS)
        self._misses = registry.counter(CACHE_MISSES)
        self._prefix = prefix
        self._timeout = timeout
        self._rests_until = 0.0

    def key(self, name: str, arguments: bytes) -> str:
        """Return the key of a look-up: the name and a digest, since arguments may be anything."""
        return f"{self._prefix}:{name}:{hashlib.sha256(arguments).hexdigest()[:32]}"

    def expect(self, name: str) -> None:
        """Make the series of the cache ``name``, so that its first events are not lost."""
        self._hits.child(name)
        self._misses.child(name)

    def count(self, name: str, hit: bool) -> None:
        """Count a look-up."""
        (self._hits if hit else self._misses).child(name).inc()

    def get(self, key: str) -> bytes | str | None:
        """Return what is stored, None where there is nothing or Redis is away. Never raises."""
        return cast("bytes | str | None", self._try(lambda: self._client.get(key)))

    def set(self, key: str, value: bytes | None, ttl: int) -> None:
        """Store ``value`` for ``ttl`` seconds, if there is one and Redis is there. Never raises."""
        if value is not None:
            self._try(lambda: self._client.set(key, value, ex=ttl))

    async def get_async(self, key: str) -> bytes | str | None:
        """Return what :meth:`get` returns; neither kind of client holds up the event loop."""
        if not self.is_async:
            return await asyncio.to_thread(self.get, key)
        return cast("bytes | str | None", await self._try_async(lambda: self._client.get(key)))

    async def set_async(self, key: str, value: bytes | None, ttl: int) -> None:
        """Store as :meth:`set` does."""
        if not self.is_async:
            await asyncio.to_thread(self.set, key, value, ttl)
        elif value is not None:
            await self._try_async(lambda: self._client.set(key, value, ex=ttl))

    def _try(self, call: Callable[[], Any]) -> Any:
        if time.monotonic() < self._rests_until:
            return None
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # a cache that fails is a cache that misses
            return self._rest(error)

    async def _try_async(self, call: Callable[[], Any]) -> Any:
        if time.monotonic() < self._rests_until:
            return None
        try:
            async with asyncio.timeout(self._timeout):
                return await call()
        except Exception as error:  # noqa: BLE001  # a cache that fails is a cache that misses
            return self._rest(error)

    def _rest(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + _REST_SECONDS
        _LOG.warning("The cache does not answer: %s", type(error).__name__)
