"""What is invalidated is served to nobody, and nothing else is: by call and by tag, on a Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from demo.databases import Redis
from etter_obs import ainvalidate, cached, invalidate
from etter_obs._internal.metrics.registry import MetricsRegistry
from tests.cache.caches import GATES, RAN, Gate, counts


@cached(name="user", ttl=60, tags=["users", "user:{user_id}"])
def user(user_id: object) -> str:
    """Return a user."""
    RAN.append(user_id)
    return f"user {user_id!r}"


@cached(name="steps", ttl=60, tags=["user:{owner[id]}", "workflow:{number}"])
async def steps(number: int, owner: dict[str, int]) -> int:
    """Return what two kinds of things change."""
    RAN.append(number)
    return number


@cached(name="page", ttl=60, key=lambda user_id, page: (user_id, page), tags=["user:{user_id}"])
def page_of(session: object, user_id: int, page: int = 1) -> str:
    """Return what a session reads."""
    RAN.append(page)
    return f"{user_id} {page}"


def test_a_call_is_invalidated_by_its_arguments(client: Any, registry: MetricsRegistry) -> None:
    """However they are written; the results of other calls stay."""
    assert [user(number) for number in (1, 12)] == ["user 1", "user 12"]
    assert user.invalidate(user_id=1) is True
    RAN.clear()
    assert [user(number) for number in (1, 1, 12, 1)] == ["user 1", "user 1", "user 12", "user 1"]
    assert RAN == [1]
    assert user.invalidate(3) is True  # was not there, and is not there now
    with pytest.raises(TypeError):
        user.invalidate()


def test_with_a_key_only_what_it_asks_for_is_needed(client: Any) -> None:
    """A session is no part of the call to be forgotten, nor what has a default."""
    page_of(object(), 1)
    page_of(object(), 1, 2)
    assert page_of.invalidate(user_id=1) is True
    RAN.clear()
    assert [page_of(object(), 1, page) for page in (1, 2)] == ["1 1", "1 2"]
    assert RAN == [1]
    with pytest.raises(TypeError, match="missing arguments that key= or tags= require: user_id"):
        page_of.invalidate(page=2)


def test_a_tag_reaches_what_carries_it_and_nothing_else(client: Any) -> None:
    """user:1 is not user:12; a tag without arguments reaches all of a kind, in any function."""
    numbers = (1, 12, 2)
    for number in numbers:
        user(number)
        page_of(object(), number)
    RAN.clear()
    assert invalidate("user:1") is True
    assert [user(number) for number in numbers] == ["user 1", "user 12", "user 2"]
    assert [page_of(object(), number) for number in numbers] == ["1 1", "12 1", "2 1"]
    assert RAN == [1, 1]
    RAN.clear()
    assert invalidate("users", "user:2") is True
    for number in numbers:
        user(number)
        page_of(object(), number)
    assert RAN == [1, 12, 2, 1]
    with pytest.raises(TypeError, match="tag 1 is not text; write '1'"):
        invalidate(1)  # type: ignore[arg-type]


def test_no_command_looks_through_the_keys(client: Any) -> None:
    """However many results there are, invalidating asks Redis for the keys that it names alone."""
    for number in range(20):
        user(number)
    invalidate("users")
    user.invalidate(1)
    ran = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    assert not ran & {"keys", "scan", "flushdb", "smembers", "eval"}
    assert all(client.ttl(key) > 0 for key in client.keys("*"))


async def test_coroutines_invalidate_with_either_client(async_client: Any) -> None:
    """``invalidate`` of a coroutine function is one; tags of arguments reach into them."""
    for number, owner in ((1, 1), (2, 1), (3, 2)):
        await steps(number, {"id": owner})
    RAN.clear()
    assert await ainvalidate("user:1") is True
    assert await steps.invalidate(3, {"id": 2}) is True
    assert await ainvalidate("workflow:9") is True
    assert [await steps(n, {"id": owner}) for n, owner in ((1, 1), (2, 1), (3, 2))] == [1, 2, 3]
    assert RAN == [1, 2, 3]
    with pytest.raises(TypeError, match="write `await ainvalidate"):
        invalidate("user:1")


async def test_a_sync_client_serves_coroutines_too(client: Any) -> None:
    """An async function with a sync client is invalidated like any other."""
    await steps(1, {"id": 1})
    assert await ainvalidate("user:1") is True
    assert await steps.invalidate(1, owner={"id": 1}) is True
    assert await steps(1, {"id": 1}) == 1
    assert RAN == [1, 1]


NOW: list[str] = ["old"]


@cached(name="read", ttl=60, tags=["read:{number}"])
async def read_slowly(number: int) -> str:
    """Return what was there when the call began."""
    found = NOW[0]
    RAN.append(found)
    await GATES[0].wait()
    return found


@pytest.mark.parametrize(
    "forget",
    [lambda: ainvalidate("read:1"), lambda: read_slowly.invalidate(1)],
    ids=["tag", "call"],
)
async def test_what_is_being_computed_is_invalidated_too(
    async_client: Any, gate: Gate, forget: Callable[[], Any]
) -> None:
    """A computation that read before the change is kept for nobody who asks after it."""
    NOW[:] = ["old"]
    before = asyncio.create_task(read_slowly(1))
    await gate.reached.wait()
    NOW[:] = ["new"]
    assert await forget() is True
    during = asyncio.create_task(read_slowly(1))
    gate.open.set()
    assert await before == "old"  # asked before the change
    assert await during == "new"
    assert await read_slowly(1) == "new"
    assert RAN == ["old", "new"]


def test_what_could_not_be_invalidated_is_reported(
    client: Any, redis_server: Redis, registry: MetricsRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """With Redis down it returns False and warns each time; it ignores the pause."""
    user(1)
    redis_server.stop()
    assert [user.invalidate(1), invalidate("users"), user(1)] == [False, False, "user 1"]
    told = [message for message in caplog.messages if "could not be invalidated" in message]
    assert len(told) == 2
    redis_server.start()
    assert invalidate("users") is True
    user(1)
    user(1)
    assert counts(registry, "user") == (1, 3)


def test_without_a_cache_there_is_nothing_to_invalidate() -> None:
    """Before the set-up, and in tests without one, it is a call that does nothing."""
    assert invalidate("users") is False
    assert user.invalidate(1) is False
