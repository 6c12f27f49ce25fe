"""A cache that the functions of a test use, on a Valkey of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import pytest
import redis
import redis.asyncio

from demo.databases import Redis
from etter_obs._internal.cache import bind
from etter_obs._internal.metrics.registry import MetricsRegistry
from tests.cache.caches import GATES, RAN, Gate, cache_of


@pytest.fixture(autouse=True)
def gate() -> Gate:
    """The gate of this test, in which no function has run yet."""
    RAN.clear()
    GATES[:] = [Gate()]
    return GATES[0]


@pytest.fixture
def client(redis_server: Redis, registry: MetricsRegistry) -> Iterator[Any]:
    """A sync client whose server ``cached`` uses."""
    with closing(redis.Redis.from_url(redis_server.url)) as client:
        cache = cache_of(client, registry, timeout=30)
        undo = bind(cache)
        yield client
        undo()
        cache.close()


@pytest.fixture
async def async_client(redis_server: Redis, registry: MetricsRegistry) -> AsyncIterator[Any]:
    """An async client that ``cached`` uses."""
    client = redis.asyncio.Redis.from_url(redis_server.url)
    undo = bind(cache_of(client, registry, timeout=30))
    yield client
    undo()
    await client.aclose()
