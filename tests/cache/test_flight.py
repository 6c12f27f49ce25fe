"""One caller computes what is missing while others wait, in a process and beyond, on a Valkey."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from demo.databases import Redis
from etter_obs import cached
from etter_obs._internal.metrics.registry import MetricsRegistry
from tests.cache.caches import GATES, RAN, Gate, counts
from tests.waiting import eventually


@cached(name="slow", ttl=60)
async def slow(number: int) -> list[int]:
    """Return a list when it may."""
    RAN.append(number)
    await GATES[0].wait()
    return [number]


@cached(name="threaded", ttl=60)
def threaded(number: int) -> list[int]:
    """Return a list when it may."""
    RAN.append(number)
    GATES[0].open_to_threads.wait(30)
    return [number]


@cached(name="unkept", ttl=60)
async def unkept(number: int) -> object:
    """Return what cannot be kept."""
    RAN.append(number)
    return object()


@cached(name="nested", ttl=60)
async def nested(depth: int) -> int:
    """Ask for other results, and through a task for its own."""
    RAN.append(depth)
    return 0 if depth == 0 else 1 + await asyncio.create_task(nested(depth - 1))


@cached(name="own", ttl=60)
async def own(_: int) -> int:
    """Ask for its own result, once."""
    RAN.append(1)
    return await own(_) if len(RAN) == 1 else 1


async def waiting(count: int) -> list[asyncio.Task[list[int]]]:
    """Return tasks that ask for one result, the first of which computes."""
    tasks = [asyncio.create_task(slow(1)) for _ in range(count)]
    await GATES[0].reached.wait()
    return tasks


async def test_concurrent_misses_compute_once(
    async_client: Any, gate: Gate, registry: MetricsRegistry
) -> None:
    """Twenty callers of one result get equal ones, of their own; the function runs once."""
    tasks = await waiting(20)
    gate.open.set()
    results = await asyncio.gather(*tasks)
    assert results == [[1]] * 20
    assert len({id(result) for result in results}) == 20
    assert RAN == [1]
    assert counts(registry, "slow") == (19, 1)


def test_threads_compute_once(client: Any, gate: Gate, registry: MetricsRegistry) -> None:
    """The same holds among threads."""
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(threaded, 1) for _ in range(8)]
        eventually(lambda: RAN, deadline_s=30, every_s=0.01)
        gate.open_to_threads.set()
        assert [result.result(30) for result in results] == [[1]] * 8
    assert RAN == [1]
    assert counts(registry, "threaded") == (7, 1)


async def test_who_leaves_hands_over_to_the_next(async_client: Any, gate: Gate) -> None:
    """The caller that computes is cancelled: another one takes over, and it alone."""
    tasks = await waiting(5)
    first = gate.waiting[0]
    others = [task for task in tasks if task is not first]
    gate.reached.clear()
    others.pop().cancel()  # who only waits cancels nobody else
    assert first is not None
    first.cancel()
    await gate.reached.wait()
    gate.open.set()
    assert await asyncio.gather(*others) == [[1]] * 3
    assert RAN == [1, 1]


async def test_a_failure_is_the_callers_own(async_client: Any, gate: Gate) -> None:
    """Callers that waited for a failed call compute for themselves, concurrently."""
    tasks = await waiting(3)
    gate.error = LookupError("away")
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    assert RAN == [1, 1, 1]


async def test_nobody_waits_for_what_is_not_kept(async_client: Any) -> None:
    """Where the last result could not be kept callers compute side by side."""
    await unkept(1)
    assert len({id(result) for result in await asyncio.gather(*map(unkept, [1] * 5))}) == 5
    assert len(RAN) == 6


async def test_a_function_that_needs_itself_does_not_wait_for_itself(async_client: Any) -> None:
    """Recursion ends, in tasks too, and so does a function that asks for its own result."""
    async with asyncio.timeout(10):
        assert await nested(3) == 3
        assert RAN == [3, 2, 1, 0]
        RAN.clear()
        assert await own(1) == 1


def test_what_a_function_raises_is_raised_whatever_it_is(client: Any) -> None:
    """StopIteration, which generators take for their own end, passes through."""

    @cached(name="stops", ttl=60)
    def first() -> int:
        return next(iter(()))

    with pytest.raises(StopIteration):
        first()


SCRIPT = """\
import asyncio, sys, redis.asyncio
from tests.cache.caches import cache_of
from etter_obs import cached
from etter_obs._internal.cache import bind
from etter_obs._internal.metrics.registry import MetricsRegistry

@cached(name="shared", ttl=60)
async def work(seconds: float, url: str) -> int:
    await redis.asyncio.Redis.from_url(url).incr("ran")
    await asyncio.sleep(seconds)
    return 42

async def main():
    client = redis.asyncio.Redis.from_url(sys.argv[1])
    bind(cache_of(client, MetricsRegistry("etter"), timeout=10))
    await client.incr("ready")
    await client.blpop("go", 60)
    print(await work(float(sys.argv[2]), sys.argv[1]))

asyncio.run(main())
"""


def processes(server: Redis, count: int, seconds: float) -> list[subprocess.Popen[str]]:
    """Start processes that ask for one result at the same moment."""
    command = [sys.executable, "-c", SCRIPT, server.url, str(seconds)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    with redis.Redis.from_url(server.url) as client:
        eventually(lambda: client.get("ready") == b"%d" % count, deadline_s=60)
        client.rpush("go", *range(count))
    return started


def test_processes_compute_once(redis_server: Redis) -> None:
    """Workers that miss the same result at the same moment leave it to one of them."""
    started = processes(redis_server, 3, seconds=0.7)
    assert [process.communicate(timeout=60)[0] for process in started] == ["42\n"] * 3
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.get("ran") == b"1"


def test_a_process_that_dies_is_waited_for_briefly(redis_server: Redis) -> None:
    """A worker killed while it computes delays the others for at most the timeout."""
    (doomed,) = processes(redis_server, 1, seconds=60)
    with redis.Redis.from_url(redis_server.url) as client:
        eventually(lambda: client.get("ran"), deadline_s=60, every_s=0.01)
        doomed.kill()
        doomed.communicate()
        client.delete("ready")
        started = time.monotonic()
        (other,) = processes(redis_server, 1, seconds=60)
        eventually(lambda: client.get("ran") == b"2", deadline_s=60, every_s=0.05)
        assert time.monotonic() - started < 50
    other.kill()
    other.communicate()
