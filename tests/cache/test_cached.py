"""``cached`` on a real Redis, and without one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
import redis.asyncio
from pydantic import BaseModel

from etter_obs import cached
from etter_obs.cache import Cache, bind
from etter_obs.conventions import CACHE_HITS, CACHE_MISSES
from etter_obs.metrics.registry import MetricsRegistry
from tests.services import Redis
from tests.waiting import eventually


class Company(BaseModel):
    """A result that JSON alone would not bring back."""

    name: str
    since: datetime


ACME = Company(name="Acme", since=datetime(2020, 1, 2, tzinfo=UTC))


@pytest.fixture
def client(redis_server: Redis, registry: MetricsRegistry) -> Iterator[Any]:
    """A sync client that ``cached`` uses."""
    with closing(redis.Redis.from_url(redis_server.url, socket_timeout=30)) as client:
        undo = bind(Cache(client, registry))
        yield client
        undo()


@pytest.fixture
async def async_client(redis_server: Redis, registry: MetricsRegistry) -> AsyncIterator[Any]:
    """An async client that ``cached`` uses."""
    client = redis.asyncio.Redis.from_url(redis_server.url)
    undo = bind(Cache(client, registry, timeout=30))
    yield client
    undo()
    await client.aclose()


def failures(caplog: pytest.LogCaptureFixture) -> int:
    """How often Redis was asked in vain."""
    return sum("does not answer" in message for message in caplog.messages)


def counts(registry: MetricsRegistry, name: str) -> tuple[float, float]:
    """Return hits and misses of a cache."""
    return tuple(registry.counter(m).child(name).value for m in (CACHE_HITS, CACHE_MISSES))  # type: ignore[return-value]


def test_a_result_is_computed_once_for_equal_arguments(
    client: Any, registry: MetricsRegistry
) -> None:
    """Calls with equal arguments, however spelled, share a result; others do not."""
    calls: list[object] = []

    @cached(name="sums", ttl=60)
    def add(a: int, b: int = 2) -> int:
        calls.append((a, b))
        return a + b

    assert (add(1), add(1, 2), add(a=1, b=2), add(2)) == (3, 3, 3, 4)
    assert calls == [(1, 2), (2, 2)]
    assert counts(registry, "sums") == (2, 2)
    key = client.keys("*")[0]
    assert key.startswith(b"cache:sums:")
    assert 0 < client.ttl(key) <= 60


async def test_coroutine_functions_and_models(async_client: Any, registry: MetricsRegistry) -> None:
    """A hit of an async function is of the annotated type, like the miss before it."""
    calls: list[str] = []

    @cached(name="companies", ttl=60)
    async def company(name: str) -> list[Company]:
        calls.append(name)
        return [ACME]

    assert await company("acme") == [ACME]
    assert await company("acme") == [ACME]
    assert calls == ["acme"]
    assert counts(registry, "companies") == (1, 1)


async def test_an_async_function_does_not_block_on_a_sync_client(
    registry: MetricsRegistry, redis_server: Redis
) -> None:
    """While a sync client waits for Redis, the event loop runs on."""
    client = redis.Redis.from_url(redis_server.url, socket_timeout=1)
    undo = bind(Cache(client, registry))

    @cached(name="slow", ttl=60)
    async def answer() -> int:
        return 42

    redis_server.freeze()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    counter = asyncio.create_task(count_turns())
    assert await answer() == 42
    counter.cancel()
    redis_server.thaw()
    undo()
    client.close()
    assert turns > 5


def test_methods_share_results_among_objects(client: Any) -> None:
    """``self`` is no part of the key."""
    calls: list[int] = []

    class Service:
        @cached(name="methods", ttl=60)
        def double(self, n: int) -> int:
            calls.append(n)
            return 2 * n

    assert Service().double(4) == Service().double(4) == 8
    assert calls == [4]


def test_a_key_of_ones_own(client: Any) -> None:
    """``key`` decides what tells results apart, so arguments without JSON form are no obstacle."""
    calls: list[int] = []

    @cached(name="keyed", ttl=60, key=lambda session, n: n)
    def load(session: object, n: int) -> int:
        calls.append(n)
        return n

    assert load(object(), 1) == load(object(), 1) == 1
    assert calls == [1]


def test_what_has_no_json_form_is_not_cached_and_said_once(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The function runs each time, and one warning says what to do."""

    @cached(name="sessions", ttl=60)
    def use(session: object) -> int:
        return 1

    @cached(name="objects", ttl=60)
    def make() -> Any:
        return object()

    with caplog.at_level(logging.WARNING):
        assert use(object()) == use(object()) == 1
        assert make() is not make()
    assert [record.getMessage() for record in caplog.records] == [
        "cached(name='sessions') keeps nothing: "
        "an argument has no JSON form; pass key= to say what tells results apart",
        "cached(name='objects') keeps nothing: "
        "its result has no JSON form that fits the return annotation",
    ]


def test_none_is_not_kept(client: Any, registry: MetricsRegistry) -> None:
    """What is not there today may be there tomorrow."""

    @cached(name="nothing", ttl=60)
    def find() -> str | None:
        return None

    assert find() is None
    assert find() is None
    assert counts(registry, "nothing") == (0, 2)


def test_a_value_that_an_older_version_stored_is_a_miss(
    client: Any, registry: MetricsRegistry
) -> None:
    """What no longer fits the return annotation is computed again."""

    @cached(name="versioned", ttl=60)
    def company() -> Company:
        return ACME

    company()
    (key,) = client.keys("*")
    client.set(key, '{"name": "Acme"}')
    assert company() == ACME
    assert counts(registry, "versioned") == (0, 2)


def test_without_redis_the_function_is_called(
    client: Any, registry: MetricsRegistry, redis_server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """With Redis away every look-up is a miss that hardly waits, and later hits come back.

    It is asked at most once a second.
    """

    @cached(name="away", ttl=60)
    def answer() -> int:
        return 42

    assert answer() == 42
    redis_server.stop()
    started = time.monotonic()
    assert [answer() for _ in range(50)] == [42] * 50
    assert 1 <= failures(caplog) <= 1 + time.monotonic() - started
    assert counts(registry, "away") == (0, 51)
    redis_server.start()
    eventually(lambda: answer() and counts(registry, "away")[0] > 0, deadline_s=30, every_s=0.05)


async def test_a_hanging_redis_is_waited_for_briefly(
    registry: MetricsRegistry, redis_server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A frozen Redis costs the first call its timeout and the next ones, for a second, nothing."""
    client = redis.asyncio.Redis.from_url(redis_server.url)
    undo = bind(Cache(client, registry, timeout=0.2))

    @cached(name="frozen", ttl=60)
    async def answer() -> int:
        return 42

    redis_server.freeze()
    started = time.monotonic()
    assert [await answer() for _ in range(20)] == [42] * 20
    assert 1 <= failures(caplog) <= 1 + time.monotonic() - started
    redis_server.thaw()
    assert counts(registry, "frozen") == (0, 20)
    undo()
    await client.aclose()


def test_without_a_cache_the_function_is_itself() -> None:
    """An app that has set nothing up runs its functions as they are."""

    @cached(name="unbound", ttl=60)
    def answer() -> int:
        """Return the answer."""
        return 42

    assert answer() == 42
    assert answer.__doc__ == "Return the answer."


def test_an_exception_is_not_cached(client: Any) -> None:
    """A function that raises is asked again."""
    calls: list[int] = []

    @cached(name="raising", ttl=60)
    def fail() -> int:
        calls.append(1)
        raise LookupError("not yet")

    for _ in range(2):
        with pytest.raises(LookupError):
            fail()
    assert len(calls) == 2


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_life_time_that_is_none_is_refused(ttl: int) -> None:
    """A ttl of nothing is told at the decoration, with what it takes."""
    decorate: Callable[[], object] = lambda: cached(name="x", ttl=ttl)  # noqa: E731
    with pytest.raises(ValueError, match="it takes seconds, 1 or more"):
        decorate()


def test_the_series_exist_before_the_first_look_up(registry: MetricsRegistry) -> None:
    """Binding makes the series of every cache, so that no first miss is lost to a rate."""

    @cached(name="early", ttl=60)
    def early() -> int:
        return 1

    undo = bind(Cache(redis.Redis(), registry))
    undo()
    assert ("early",) in registry.families[CACHE_HITS.suffix]._children
    assert ("early",) in registry.families[CACHE_MISSES.suffix]._children
