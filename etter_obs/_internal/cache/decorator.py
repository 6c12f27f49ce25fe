"""``cached``: store a function's results in Redis and count hits and misses by cache name."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from etter_obs._internal.cache.call_keys import Call, Calls
from etter_obs._internal.cache.digest import NoStableFormError
from etter_obs._internal.cache.results import Results
from etter_obs._internal.cache.single_flight import flight, run_flight, run_flight_async
from etter_obs._internal.conventions import NotKept
from etter_obs._internal.newest_app import Newest
from etter_obs._internal.wrapping import replacing

if TYPE_CHECKING:
    from etter_obs._internal.cache.store import Cache, Entry, Script

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_LOG: Final = logging.getLogger("etter_obs.cache")
_bound: Final[Newest[Cache]] = Newest()
_has_warned = False
_names: Final[set[str]] = set()


class Cached(Protocol[P, R_co]):
    """A function whose results are stored."""

    invalidate: Callable[..., Any]
    """Invalidate the result for these arguments, also a running computation; return the success.

    It is a coroutine function if the function is one. With ``key=``, it requires only the
    parameters that ``key`` and the tags use.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return the stored result, or compute it."""

    @overload
    def __get__(self, instance: None, owner: type) -> Cached[P, R_co]: ...
    @overload
    def __get__(
        self: Cached[Concatenate[Any, Q], R_co], instance: object, owner: type
    ) -> Cached[Q, R_co]: ...


def bind(cache: Cache) -> Callable[[], None]:
    """Make ``cached`` functions use ``cache``; return the undo."""
    for name in _names:
        cache.expect(name)
    return _bound.put(cache)


def cached(
    *,
    name: str,
    ttl: int,
    none_ttl: int | None = None,
    key: Callable[..., object] | None = None,
    tags: Sequence[str] = (),
) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """Store a function's results in the app's Redis for ``ttl`` seconds.

    Calls share a result only if the function cannot distinguish their arguments: ``1`` is not
    ``True``, and a model does not equal a model of another class. A result is stored only if JSON
    preserves it, by the return annotation or as plain JSON. Other results are computed at each
    call, counted in ``cache_not_kept_total``, and reported by one warning.

    One caller computes a missing result, and concurrent callers wait for it. If Redis is
    unreachable, the function runs without a cache. ``cache_hits_total`` and
    ``cache_misses_total`` count look-ups with the label ``cache_key=name``. The function may be
    sync or async; a sync function requires a sync client.

    Args:
        name: name of the cache, part of the keys and the label of the metrics.
        ttl: lifetime of a result, in whole seconds.
        none_ttl: lifetime of the result None, in whole seconds; 0 does not store it; default:
            ``ttl``.
        key: a function of some of the function's parameters, by name, whose value identifies the
            result, such as ``lambda user: user.id``; default: every argument.
        tags: names for the invalidation of results, with ``{parameter}`` in place of an argument:
            ``["companies", "user:{user_id}"]``.

    Returns:
        A decorator, which adds ``invalidate`` to the function.

    Raises:
        ValueError: ``ttl`` is not positive, or ``key`` or a tag uses an unknown parameter.
        TypeError: the decorated function is a generator function, or ``tags`` is a single text.
    """
    negative = ttl if none_ttl is None else none_ttl
    for what, seconds, least in (("ttl", ttl, 1), ("none_ttl", negative, 0)):
        if not isinstance(seconds, int) or seconds < least:
            raise ValueError(
                f"cached(name={name!r}): {what} is {seconds}; use whole seconds, {least} or more"
            )

    def decorate(function: Callable[P, R]) -> Cached[P, R]:
        calls = Calls(function, key, tags)
        kept = _Kept(function, name, calls, Results(calls.inner, name, ttl, negative))
        _names.add(name)
        if _bound.current is not None:
            _bound.current.expect(name)

        call = kept.answer_async if kept.is_async else kept.answer
        wrapper: Any = replacing(function, call)
        wrapper.invalidate = kept.forget_async if kept.is_async else kept.forget
        return cast("Cached[P, R]", wrapper)

    return decorate


class _Kept:
    """A cached function with its calls and results."""

    def __init__(
        self, function: Callable[..., Any], name: str, calls: Calls, results: Results
    ) -> None:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"cached(name={name!r}) cannot store a generator; return a list")
        self.is_async = inspect.iscoroutinefunction(function)
        self._function = function
        self._name = name
        self._calls = calls
        self._results = results

    def answer(self, *args: Any, **kwargs: Any) -> Any:
        """Return the stored result of a sync function, or compute it."""
        prepared = self._prepare(args, kwargs)
        if prepared is None:
            return self._function(*args, **kwargs)
        call = partial(self._function, *args, **kwargs)
        # A sync wait in the event loop would block a computation that requires the loop.
        return run_flight(flight(*prepared, self._results, call, waits=not _in_asyncio()))

    async def answer_async(self, *args: Any, **kwargs: Any) -> Any:
        """Return the stored result of a coroutine function, or compute it."""
        prepared = self._prepare(args, kwargs)
        if prepared is None:
            return await self._function(*args, **kwargs)
        call = partial(self._function, *args, **kwargs)
        return await run_flight_async(flight(*prepared, self._results, call, waits=True))

    def forget(self, *args: Any, **kwargs: Any) -> bool:
        """Invalidate the result for these arguments; return whether this succeeded."""
        cache, call = _bound.current, self._calls.to_forget(args, kwargs)
        if cache is None or cache.is_async:  # no result is stored in this case
            return False
        return _told(cache.run(self._script(cache, call), insist=True), self._name)

    async def forget_async(self, *args: Any, **kwargs: Any) -> bool:
        """Do what ``forget()`` does, in a coroutine."""
        cache, call = _bound.current, self._calls.to_forget(args, kwargs)
        if cache is None:
            return False
        return _told(await cache.run_async(self._script(cache, call), insist=True), self._name)

    def _script(self, cache: Cache, call: Call) -> Script[bool]:
        return cache.forget(cache.entry(self._name, call), self._results.longest_own)

    def _warn_that_nothing_is_kept(self) -> None:
        """Warn once per process that no app has a Redis client for results."""
        global _has_warned  # the process has one cache
        if not _has_warned:
            _has_warned = True
            _LOG.warning(
                "Results of cached functions (first: %s) are not kept because no app has a Redis "
                "client; pass it as setup_observability(app, redis=…)",
                self._name,
            )

    def _prepare(self, args: Any, kwargs: Any) -> tuple[Cache, Entry] | None:
        """Return the cache and the call's keys, or None if the call is not cached."""
        cache = _bound.current
        if cache is None:
            self._warn_that_nothing_is_kept()
            return None
        reason = NotKept.REDIS
        if self.is_async and not _in_asyncio():
            why = "the call is outside asyncio"
        elif cache.is_async and not self.is_async:
            why = "a sync function requires a sync Redis client"
        else:
            reason = NotKept.ARGUMENT
            try:
                return cache, cache.entry(self._name, self._calls.of(args, kwargs))
            except NoStableFormError as error:
                why = f"{error}; pass key= with a value that identifies the result"
            except Exception as error:  # noqa: BLE001  # of key=, a tag, an argument's class
                why = f"reading the arguments, key= or tags= raised {type(error).__name__}"
        self._results.refuse(reason, why, cache)
        return None


def invalidate(*tags: str) -> bool:
    """Invalidate every result that has one of the tags; return whether this succeeded.

    It sends one command for any number of results. Running computations are invalidated too.

    Raises:
        TypeError: the app's Redis client is async, or a tag is not text.
    """
    cache = _bound.current
    if cache is None:
        return False
    if cache.is_async:
        raise TypeError("the app's Redis client is async; write `await ainvalidate(…)`")
    return _told(cache.run(cache.forget_tags(tags), insist=True), "tags")


async def ainvalidate(*tags: str) -> bool:
    """Do what ``invalidate()`` does, in a coroutine, with a client of either kind.

    Raises:
        TypeError: a tag is not text.
    """
    cache = _bound.current
    if cache is None:
        return False
    return _told(await cache.run_async(cache.forget_tags(tags), insist=True), "tags")


def _told(done: bool | None, what: str) -> bool:
    if not done:
        _LOG.warning(
            "Results could not be invalidated (%s); they are served until they expire", what
        )
    return bool(done)


def _in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # a thread without a loop, or not an asyncio loop
        return False
    return True
