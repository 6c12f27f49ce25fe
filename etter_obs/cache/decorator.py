"""``cached``: a function's results in Redis, one line, with hits and misses by the cache's name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from etter_obs.around import standing_for
from etter_obs.cache.codec import Codec
from etter_obs.cache.store import Cache

P = ParamSpec("P")
R = TypeVar("R")

_bound: Cache | None = None
_names: set[str] = set()


def bind(cache: Cache) -> Callable[[], None]:
    """Make ``cache`` the one that ``cached`` functions use; return the undo."""
    global _bound  # decorators run at import, before there is a cache
    before, _bound = _bound, cache
    for name in _names:
        cache.expect(name)

    def undo() -> None:
        global _bound
        if _bound is cache:
            _bound = before

    return undo


def cached(
    *, name: str, ttl: int, key: Callable[..., object] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep a function's results in the app's Redis for ``ttl`` seconds.

    A hit returns what the function's return annotation says, built again from JSON; without an
    annotation it is plain JSON. ``None`` is not kept. Where Redis is away, or a value or an
    argument has no JSON form, the function is called as if there were no cache. Look-ups are
    counted as ``cache_hits_total`` and ``cache_misses_total`` under ``cache_key=name``. Sync and
    async functions; a sync function needs a sync client.

    Args:
        name: of the cache; it stands in keys and metrics.
        ttl: life time of a result, in whole seconds.
        key: gets the function's arguments and returns what tells one result from another;
            default: all arguments, without a method's ``self`` or ``cls``.

    Raises:
        ValueError: ``ttl`` is not positive.
    """
    if ttl <= 0:
        raise ValueError(f"cached(name={name!r}) holds ttl={ttl}: it takes seconds, 1 or more")
    _names.add(name)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        codec = Codec(function, name, key)
        is_async = inspect.iscoroutinefunction(function)

        def prepare(args: Any, kwargs: Any) -> tuple[Cache, str] | None:
            if _bound is None:
                return None
            if _bound.is_async and not is_async:
                codec.warn("a sync function needs a sync Redis client")
                return None
            arguments = codec.arguments(args, kwargs)
            return None if arguments is None else (_bound, _bound.key(name, arguments))

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            prepared = prepare(args, kwargs)
            if prepared is None:
                return await cast("Any", function)(*args, **kwargs)
            cache, where = prepared
            found, value = codec.decode(await cache.get_async(where))
            cache.count(name, found)
            if not found:
                value = await cast("Any", function)(*args, **kwargs)
                await cache.set_async(where, codec.encode(value), ttl)
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            prepared = prepare(args, kwargs)
            if prepared is None:
                return cast("Any", function)(*args, **kwargs)
            cache, where = prepared
            found, value = codec.decode(cache.get(where))
            cache.count(name, found)
            if not found:
                value = cast("Any", function)(*args, **kwargs)
                cache.set(where, codec.encode(value), ttl)
            return value

        return standing_for(function, call_async if is_async else call)

    return decorate
