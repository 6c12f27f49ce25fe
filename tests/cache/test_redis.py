"""What a Redis client's commands leave in metrics and spans, on a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import fakeredis
import pytest
import redis
import redis.asyncio
from fastapi import FastAPI

from demo.databases import Redis
from etter_obs._internal import conventions
from etter_obs._internal.cache import instrument_redis, redis_check
from etter_obs._internal.conventions import HealthReason
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.redaction.redactor import Redactor
from etter_obs._internal.settings import Settings
from etter_obs._internal.tracing import Tracing
from tests.services import Receiver
from tests.tracing.observed import observed
from tests.waiting import eventually


@pytest.fixture
def client(redis_server: Redis) -> Iterator[Any]:
    """A sync client."""
    with closing(redis.Redis.from_url(redis_server.url)) as client:
        yield client


@pytest.fixture
async def async_client(redis_server: Redis) -> AsyncIterator[Any]:
    """An async client."""
    client = redis.asyncio.Redis.from_url(redis_server.url)
    yield client
    await client.aclose()


def commands(registry: MetricsRegistry) -> dict[str, tuple[float, float]]:
    """Return for each command how often it ran and how often it failed."""
    durations = registry.histogram(conventions.REDIS_COMMAND_DURATION)
    errors = registry.counter(conventions.REDIS_ERRORS)
    names = ("get", "set", "incrby", "watch", "pipeline", "other")
    counted = {name: (durations.child(name).count, errors.child(name).value) for name in names}
    return {name: counts for name, counts in counted.items() if counts != (0, 0)}


def test_commands_are_timed_and_failures_counted(
    client: Any, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """Known commands have a series each, others share one; failures are counted and raised."""
    instrument_redis(client, registry, no_tracing)
    client.set("text", "x")
    assert client.get("text") == b"x"
    client.execute_command(b"GET", "text")
    with pytest.raises(redis.ResponseError):
        client.incr("text")
    with pytest.raises(redis.ResponseError):
        client.execute_command("NONSENSE secret")
    assert commands(registry) == {"set": (1, 0), "get": (2, 0), "incrby": (1, 1), "other": (1, 1)}


def test_a_pipeline_is_one_command(
    client: Any, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """A pipeline counts once; a lost race for a watched key is no failure."""
    instrument_redis(client, registry, no_tracing)
    with client.pipeline() as pipeline:
        assert pipeline.set("a", 1).get("a").execute() == [True, b"1"]
    with client.pipeline() as pipeline:
        pipeline.watch("a")
        client.set("a", 2)
        pipeline.multi()
        pipeline.get("a")
        with pytest.raises(redis.WatchError):
            pipeline.execute()
    assert commands(registry) == {"pipeline": (2, 0), "watch": (1, 0), "set": (1, 0)}


async def test_an_async_client_is_measured_like_a_sync_one(
    async_client: Any, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """Commands and pipelines of redis.asyncio arrive in the same metrics."""
    undo = instrument_redis(async_client, registry, no_tracing)
    await async_client.set("text", "x")
    with pytest.raises(redis.ResponseError):
        await async_client.incr("text")
    async with async_client.pipeline() as pipeline:
        await pipeline.get("text").execute()
    assert commands(registry) == {"set": (1, 0), "incrby": (1, 1), "pipeline": (1, 0)}
    undo()
    await async_client.get("text")
    assert commands(registry) == {"set": (1, 0), "incrby": (1, 1), "pipeline": (1, 0)}


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_the_server_tells_its_evictions_writes_and_memory(
    redis_server: Redis, registry: MetricsRegistry, no_tracing: Tracing, kind: str
) -> None:
    """Keys that a full Redis pushed out, writes and memory are those of INFO."""
    with closing(redis.Redis.from_url(redis_server.url)) as writer:
        writer.config_set("maxmemory", "4mb")
        writer.config_set("maxmemory-policy", "allkeys-lru")
        for n in range(40):
            writer.set(f"key-{n}", "x" * 200_000)
        writes = 40
        writer.config_set("maxmemory", 0)  # what comes from now on pushes nothing out
        evicted = writer.info("stats")["evicted_keys"]
    assert evicted > 0
    client: Any = (
        redis.Redis.from_url(redis_server.url)
        if kind == "sync"
        else redis.asyncio.Redis.from_url(redis_server.url)
    )
    undo = instrument_redis(client, registry, no_tracing)

    def read() -> tuple[float, float]:
        registry.refresh()
        return (
            registry.counter(conventions.CACHE_EVICTED).child().value,
            registry.counter(conventions.CACHE_WRITES).child().value,
        )

    await asyncio.to_thread(
        eventually, lambda: read() == (evicted, writes), deadline_s=30, every_s=0.05, tell=read
    )
    assert registry.gauge(conventions.CACHE_MEMORY).child().value > 1_000_000
    undo()
    assert commands(registry) == {}  # its own questions are no commands of the app


def test_a_stand_in_without_info_is_no_problem(
    registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """With a fake Redis the commands are measured, and a scrape works."""
    client = fakeredis.FakeRedis()
    instrument_redis(client, registry, no_tracing)
    client.set("a", 1)
    registry.refresh()
    assert commands(registry) == {"set": (1, 0)}


def test_undo_leaves_the_client_as_it_was(
    client: Any, registry: MetricsRegistry, otlp: Receiver
) -> None:
    """After the undo the client has exactly the attributes that it had."""
    tracing = Tracing(
        Settings(apm_enabled=True, otlp_endpoint=otlp.endpoint),
        service="service",
        environment="test",
        registry=registry,
        redactor=Redactor(),
    )
    before = dict(vars(client))
    undo = instrument_redis(client, registry, tracing)
    undo()
    undo()
    assert vars(client) == before
    instrument_redis(client, registry, tracing)()
    assert vars(client) == before
    tracing.close(1)


@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
async def test_commands_make_spans_where_the_request_is_sampled(
    otlp: Receiver, async_client: Any, sampler: str
) -> None:
    """The spans of a sampled request's commands are its children, without the values."""
    app = FastAPI()

    @app.get("/cached")
    async def cached() -> None:
        await async_client.set("key", "s3cr3t-value")
        async with async_client.pipeline() as pipeline:
            await pipeline.get("key").execute()

    async with observed(app, otlp, redis=async_client, sampler=sampler) as client:
        await client.get("/cached")
    if sampler == "always_off":
        assert otlp.recorded == []
        return
    server = otlp.named("GET /cached")
    children = sorted(span.name for span in otlp.spans if span.parent_id == server.span_id)
    assert children == ["GET", "SET"]
    assert otlp.named("SET").attributes["db.system.name"] == "redis"
    assert "s3cr3t" not in repr(otlp.spans)


class TestCheck:
    """The health check of Redis."""

    def test_a_server_that_answers_is_ok_and_one_that_is_away_is_not(
        self, redis_server: Redis, client: Any
    ) -> None:
        """The check follows the server's state."""
        check = redis_check(client)
        assert check() is HealthReason.OK
        redis_server.stop()
        with pytest.raises(ConnectionError):
            check()
        redis_server.start()
        assert check() is HealthReason.OK

    async def test_a_full_pool_has_its_own_reason(self, redis_server: Redis) -> None:
        """A pool without a free connection is named as such."""
        client: Any = redis.asyncio.Redis.from_url(redis_server.url, max_connections=1)
        taken = await client.connection_pool.get_connection()
        answer = redis_check(client)()
        assert not isinstance(answer, HealthReason)
        assert await answer is HealthReason.POOL_EXHAUSTED
        await client.connection_pool.release(taken)
        await client.aclose()

    async def test_a_server_that_hangs_costs_no_more_than_the_timeout(
        self, otlp: Receiver, redis_server: Redis, async_client: Any
    ) -> None:
        """A frozen Redis is a timeout in the app's health, which stays ready without it."""
        app = FastAPI()
        redis_server.freeze()
        async with observed(
            app,
            otlp,
            redis=async_client,
            health_timeout=2.5,
            health_deadline=60.0,
            health_token="let-me-in",
        ) as client:
            started = time.monotonic()
            answer = await client.get("/health/detailed", {"authorization": "Bearer let-me-in"})
            assert 2.5 <= time.monotonic() - started < 30
        assert "timeout" in answer.text
        assert answer.json()["status"] == "degraded"
        redis_server.thaw()
