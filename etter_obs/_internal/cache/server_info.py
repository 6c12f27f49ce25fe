"""Read evictions, writes and memory from the Redis server, outside the path of requests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from redis.exceptions import ResponseError

from etter_obs._internal.conventions import CACHE_EVICTED, CACHE_MEMORY, CACHE_WRITES
from etter_obs._internal.refresh import RefreshedValue

if TYPE_CHECKING:
    from etter_obs._internal.metrics.registry import MetricsRegistry

_MAX_AGE: Final = 10.0
_SECTIONS: Final = ("stats", "commandstats", "memory")
_WRITES: Final = (  # noqa: SIM905
    "append copy decr decrby getset hincrby hmset hset hsetnx incr incrby incrbyfloat "
    "lpush mset msetnx psetex rpush sadd set setex setnx setrange xadd zadd zincrby "
).split()


class ServerState(NamedTuple):
    """Totals since the server's start, and its memory in bytes; None if it does not report them."""

    evicted: int | None
    writes: int | None
    memory: int | None


def watch_server(
    client: Any, execute: Callable[..., Any], registry: MetricsRegistry
) -> Callable[[], None]:
    """Set ``cache_evicted_keys_total``, ``…writes_total`` and ``…memory_bytes`` before a scrape.

    Args:
        client: a sync or async client.
        execute: the client's ``execute_command`` without instrumentation.
        registry: receives the metrics.

    Returns:
        The undo, which stops the queries.
    """
    evicted = registry.counter(CACHE_EVICTED).child()
    writes = registry.counter(CACHE_WRITES).child()
    memory = registry.gauge(CACHE_MEMORY).child()
    is_async = inspect.iscoroutinefunction(execute)
    server = RefreshedValue(
        lambda: asyncio.run(_ask_async(client)) if is_async else _ask(execute), max_age=_MAX_AGE
    )

    def read() -> None:
        state = server.get()
        if state is None:
            return
        for child, value in zip((evicted, writes, memory), state, strict=True):
            if value is not None:
                child.set(value)

    return registry.on_scrape(read)


def _ask(execute: Callable[..., Any]) -> ServerState:
    sections = []
    for section in _SECTIONS:
        try:
            sections.append(execute("INFO", section))
        except ResponseError:  # a compatible server without this section
            sections.append({})
    return _state(*sections)


async def _ask_async(client: Any) -> ServerState:
    """Query over a separate connection, as the client's belong to the app's event loop."""
    pool = client.connection_pool
    own = type(pool)(
        connection_class=pool.connection_class, **{**pool.connection_kwargs, "max_connections": 1}
    )
    execute = type(client)(connection_pool=own).execute_command
    sections = []
    try:
        for section in _SECTIONS:
            try:
                sections.append(await execute("INFO", section))
            except ResponseError:  # a compatible server without this section
                sections.append({})
    finally:
        await own.disconnect()
    return _state(*sections)


def _state(
    stats: Mapping[str, Any], commands: Mapping[str, Any], memory: Mapping[str, Any]
) -> ServerState:
    calls = [commands.get(f"cmdstat_{name}", {}).get("calls", 0) for name in _WRITES]
    return ServerState(
        evicted=stats.get("evicted_keys"),
        writes=sum(calls) if commands else None,
        memory=memory.get("used_memory"),
    )
