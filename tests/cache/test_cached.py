"""``cached`` on a real Redis, and without one."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import redis
import redis.asyncio
import trio
from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel

from demo.databases import Redis
from etter_obs import ainvalidate, cached
from etter_obs._internal.cache import bind, decorator
from etter_obs._internal.conventions import CACHE_HITS, CACHE_MISSES, CACHE_NOT_KEPT, NotKept
from etter_obs._internal.metrics.registry import MetricsRegistry
from tests.cache.caches import RAN, cache_of, counts, not_kept
from tests.waiting import eventually


class Company(BaseModel):
    """A result that JSON alone would not bring back."""

    name: str
    since: datetime


ACME = Company(name="Acme", since=datetime(2020, 1, 2, tzinfo=UTC))


def failures(caplog: pytest.LogCaptureFixture) -> int:
    """Return how many look-ups in Redis failed."""
    return sum("does not answer" in message for message in caplog.messages)


def test_a_result_is_computed_once_for_equal_arguments(
    client: Any, registry: MetricsRegistry
) -> None:
    """Calls with equal arguments, however spelled, share a result; others do not."""

    @cached(name="sums", ttl=60)
    def add(a: int, b: int = 2) -> int:
        RAN.append((a, b))
        return a + b

    assert (add(1), add(1, 2), add(a=1, b=2), add(2)) == (3, 3, 3, 4)
    assert RAN == [(1, 2), (2, 2)]
    assert counts(registry, "sums") == (2, 2)
    (key, _) = client.keys("*")
    assert 0 < client.ttl(key) <= 60


async def test_coroutine_functions_and_models(async_client: Any, registry: MetricsRegistry) -> None:
    """A hit of an async function is of the annotated type, like the miss before it."""

    @cached(name="companies", ttl=60)
    async def company(name: str) -> list[Company]:
        RAN.append(name)
        return [ACME]

    assert await company("acme") == [ACME]
    assert await company("acme") == [ACME]
    assert RAN == ["acme"]
    assert counts(registry, "companies") == (1, 1)


async def test_an_async_function_does_not_block_on_a_sync_client(
    registry: MetricsRegistry, redis_server: Redis
) -> None:
    """While a sync client waits for Redis, the event loop runs on."""
    client = redis.Redis.from_url(redis_server.url, socket_timeout=None)
    cache = cache_of(client, registry, timeout=1)
    undo = bind(cache)

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
    cache.close()
    client.close()
    assert turns > 5


@pytest.mark.parametrize(("none_ttl", "looked"), [(None, (1, 1)), (5, (1, 1)), (0, (0, 2))])
def test_none_is_kept_for_its_ttl(
    client: Any, registry: MetricsRegistry, none_ttl: int | None, looked: tuple[float, float]
) -> None:
    """None is stored for ``ttl``, for a separate time, or not at all."""

    @cached(name="nothing", ttl=60, none_ttl=none_ttl)
    def find() -> str | None:
        return None

    assert f"{find()} {find()}" == "None None"
    assert counts(registry, "nothing") == looked
    assert [client.ttl(key) for key in client.keys("*")] == [none_ttl or 60] * int(looked[0])
    assert not_kept(registry, "nothing", NotKept.RESULT) == 0


def test_a_value_that_an_older_version_stored_is_a_miss(
    client: Any, registry: MetricsRegistry
) -> None:
    """What no longer fits the return annotation is computed again."""

    @cached(name="versioned", ttl=60)
    def company() -> Company:
        return ACME

    company()
    (key,) = client.keys("*")
    client.set(key, '|a{"name": "Acme"}')
    assert company() == ACME
    assert counts(registry, "versioned") == (0, 2)


def test_without_a_client_one_warning_says_that_nothing_is_kept(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no app has a Redis client, functions run each time and one WARNING names redis=."""
    monkeypatch.setattr(decorator, "_has_warned", False)
    calls = []

    @cached(name="kept nowhere", ttl=60)
    def compute(number: int) -> int:
        calls.append(number)
        return number

    assert [compute(1), compute(1)] == [1, 1]
    assert calls == [1, 1]
    (warning,) = [r for r in caplog.records if r.levelname == "WARNING"]
    assert "setup_observability(app, redis=…)" in warning.getMessage()


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


def test_a_sync_client_that_waits_for_ever_is_not_waited_for(
    registry: MetricsRegistry, redis_server: Redis
) -> None:
    """Whatever a client's own timeouts and retries are, a frozen Redis costs a moment, once."""
    client = redis.Redis(port=redis_server.port, socket_timeout=None, socket_connect_timeout=None)
    cache = cache_of(client, registry, timeout=0.2)
    undo = bind(cache)

    @cached(name="endless", ttl=60)
    def answer() -> int:
        return 42

    answer()
    redis_server.freeze()
    started = time.monotonic()
    assert [answer() for _ in range(20)] == [42] * 20
    assert time.monotonic() - started < 10
    redis_server.thaw()
    undo()
    cache.close()
    client.close()


def test_a_full_redis_answers_what_it_has(
    client: Any, registry: MetricsRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis that refuses to write is still read; what it refuses is computed and counted."""

    @cached(name="full", ttl=60)
    def answer(n: int) -> int:
        RAN.append(n)
        return n

    answer(1)
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    assert [answer(n) for n in (1, 2, 2, 1, 1)] == [1, 2, 2, 1, 1]
    assert RAN == [1, 2, 2]
    assert not_kept(registry, "full", NotKept.REDIS) == 2
    assert caplog.messages == ["The Redis of the cache refuses commands: OutOfMemoryError"]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_what_a_client_makes_of_answers_does_not_matter(
    redis_server: Redis, registry: MetricsRegistry, encoding: str
) -> None:
    """With ``decode_responses``, in any encoding, a text comes back as it was."""
    client = redis.asyncio.Redis.from_url(
        redis_server.url, decode_responses=True, encoding=encoding
    )
    undo = bind(cache_of(client, registry, timeout=30))

    @cached(name="texts", ttl=60, tags=["all"])
    async def text() -> str:
        return "é € \N{GRINNING FACE}"

    assert await text() == await text() == "é € \N{GRINNING FACE}"
    assert counts(registry, "texts") == (1, 1)
    undo()
    await client.aclose()


@pytest.mark.parametrize("kind", [redis.RedisCluster, redis.asyncio.RedisCluster])
async def test_a_cluster_keeps_results_too(
    tmp_path: Path, registry: MetricsRegistry, kind: Any
) -> None:
    """Results, tags and marks that lie in several slots are found and invalidated."""

    @cached(name="slots", ttl=60, tags=["all", "n:{n}"])
    async def answer(n: int) -> int:
        RAN.append(n)
        return n

    server = Redis(tmp_path, "--cluster-enabled", "yes")
    server.start()
    with closing(redis.Redis(port=server.port)) as plain:
        node: Any = plain
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        eventually(lambda: b"state:ok" in node.execute_command("CLUSTER", "INFO"), deadline_s=30)
    client = kind(host="127.0.0.1", port=server.port)
    undo = bind(cache_of(client, registry, timeout=30))
    assert [await answer(n) for n in (1, 2, 1, 2)] == [1, 2, 1, 2]
    assert await ainvalidate("n:1") is True
    assert await answer.invalidate(2) is True
    assert [await answer(n) for n in (1, 2, 1, 2)] == [1, 2, 1, 2]
    assert RAN == [1, 2, 1, 2]
    undo()
    if kind is redis.RedisCluster:
        client.close()
    else:
        await client.aclose()
    server.stop()


async def test_an_endpoint_leaves_its_session_out_of_the_key(
    async_client: Any, registry: MetricsRegistry
) -> None:
    """FastAPI finds the endpoint's parameters, and one user's page is not another's."""
    app = FastAPI()

    @app.get("/pages/{number}")
    @cached(name="pages", ttl=60, key=lambda number, user: (number, user))
    async def page(
        number: int, user: Annotated[str, Header()], session: Annotated[object, Depends(object)]
    ) -> Company:
        return Company(name=f"{user} {number}", since=ACME.since)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        names = [
            (await http.get("/pages/1", headers={"user": user})).json()["name"]
            for user in ("a", "b", "a")
        ]
    assert names == ["a 1", "b 1", "a 1"]
    assert counts(registry, "pages") == (1, 2)


def test_outside_of_asyncio_the_function_is_called(
    async_client: Any, registry: MetricsRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """Under another event loop nothing is stored, one warning reports it, nothing breaks."""

    @cached(name="trio", ttl=60)
    async def answer() -> int:
        return 42

    assert [trio.run(answer) for _ in range(2)] == [42, 42]
    assert not_kept(registry, "trio", NotKept.REDIS) == 2
    (told,) = caplog.messages
    assert told.endswith("the call is outside asyncio")


async def test_a_hanging_redis_is_waited_for_briefly(
    registry: MetricsRegistry, redis_server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A frozen Redis costs the first call its timeout and the next ones, for a second, nothing."""
    client = redis.asyncio.Redis.from_url(redis_server.url)
    undo = bind(cache_of(client, registry, timeout=0.2))

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

    @cached(name="raising", ttl=60)
    def fail() -> int:
        RAN.append(1)
        raise LookupError("not yet")

    for _ in range(2):
        with pytest.raises(LookupError):
            fail()
    assert len(RAN) == 2


def test_the_series_exist_before_the_first_look_up(registry: MetricsRegistry) -> None:
    """Binding makes the series of every cache, so that no first miss is lost to a rate."""

    @cached(name="early", ttl=60)
    def early() -> int:
        return 1

    undo = bind(cache_of(redis.Redis(), registry))
    undo()
    for metric in (CACHE_HITS, CACHE_MISSES):
        assert ("early",) in registry.families[metric.suffix]._children
    for reason in NotKept:
        assert ("early", reason) in registry.families[CACHE_NOT_KEPT.suffix]._children


def test_caches_may_be_unbound_in_any_order(redis_server: Redis, registry: MetricsRegistry) -> None:
    """Two apps that end in the order of their start leave no cache behind."""

    @cached(name="bound", ttl=60)
    def answer() -> int:
        RAN.append(1)
        return 42

    with closing(redis.Redis.from_url(redis_server.url)) as client:
        one, other = (cache_of(client, registry, service=name) for name in ("one", "other"))
        undo_one, undo_other = bind(one), bind(other)
        answer()
        undo_one()
        answer()
        assert counts(registry, "bound") == (1, 1)
        undo_other()
        answer()
        assert counts(registry, "bound") == (1, 1)
        assert len(RAN) == 2
        one.close()
        other.close()
