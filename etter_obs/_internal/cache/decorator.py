"""``cached``: a function's results in Redis, one line, with hits and misses by the cache's name."""

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
from etter_obs._internal.cache.single_flight import flight, fly, fly_async
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
    """A function whose results are kept."""

    invalidate: Callable[..., Any]
    """Forget the result for these arguments, and one that is being computed; return whether it did.

    A coroutine function's is one too. With ``key=`` only what that and the tags ask for is needed.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return the result, kept or computed."""

    @overload
    def __get__(self, instance: None, owner: type) -> Cached[P, R_co]: ...
    @overload
    def __get__(
        self: Cached[Concatenate[Any, Q], R_co], instance: object, owner: type
    ) -> Cached[Q, R_co]: ...


def bind(cache: Cache) -> Callable[[], None]:
    """Make ``cache`` the one that ``cached`` functions use; return the undo."""
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
    """Keep a function's results in the app's Redis for ``ttl`` seconds.

    Calls share a result only if the function cannot tell their arguments apart: ``1`` is not
    ``True``, and a model is not one of another class. A result is kept only if it comes back from
    JSON as it was, by the return annotation or as plain JSON. What cannot be told apart or kept is
    computed each time, counted as ``cache_not_kept_total``, and said once in a warning.

    One caller computes what is missing; others who ask meanwhile get the same. Where Redis is away
    the function is called as if there were no cache. Look-ups are counted as ``cache_hits_total``
    and ``cache_misses_total`` under ``cache_key=name``. Sync and async functions; a sync function
    needs a sync client.

    Args:
        name: of the cache; it stands in keys and metrics.
        ttl: life time of a result, in whole seconds.
        none_ttl: the same for None as result; 0: it is not kept; default: ``ttl``.
        key: takes some of the function's parameters, by their names, and returns what tells one
            result from another, such as ``lambda user: user.id``; default: every argument.
        tags: names to invalidate results by, with ``{parameter}`` in place of an argument:
            ``["companies", "user:{user_id}"]``.

    Raises:
        ValueError: ``ttl`` is not positive, or ``key`` or a tag asks for what is no parameter.
        TypeError: what is decorated is a generator function, or ``tags`` is one text.
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
    """A function, and what is known of its calls and their results."""

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
        """Return what a sync function returns, kept or computed."""
        prepared = self._prepare(args, kwargs)
        if prepared is None:
            return self._function(*args, **kwargs)
        call = partial(self._function, *args, **kwargs)
        # In the event loop nobody may wait for what may need the loop itself.
        return fly(flight(*prepared, self._results, call, waits=not _in_asyncio()))

    async def answer_async(self, *args: Any, **kwargs: Any) -> Any:
        """Return what a coroutine function returns, kept or computed."""
        prepared = self._prepare(args, kwargs)
        if prepared is None:
            return await self._function(*args, **kwargs)
        call = partial(self._function, *args, **kwargs)
        return await fly_async(flight(*prepared, self._results, call, waits=True))

    def forget(self, *args: Any, **kwargs: Any) -> bool:
        """Forget the result for these arguments; return whether that was done."""
        cache, call = _bound.current, self._calls.to_forget(args, kwargs)
        if cache is None or cache.is_async:  # then nothing is kept
            return False
        return _told(cache.run(self._script(cache, call), insist=True), self._name)

    async def forget_async(self, *args: Any, **kwargs: Any) -> bool:
        """Do the same in a coroutine."""
        cache, call = _bound.current, self._calls.to_forget(args, kwargs)
        if cache is None:
            return False
        return _told(await cache.run_async(self._script(cache, call), insist=True), self._name)

    def _script(self, cache: Cache, call: Call) -> Script[bool]:
        return cache.forget(cache.entry(self._name, call), self._results.longest_own)

    def _warn_that_nothing_is_kept(self) -> None:
        """Say once a process that no app has a Redis client for results."""
        global _has_warned  # one place for results in the process
        if not _has_warned:
            _has_warned = True
            _LOG.warning(
                "Results of cached functions (first: %s) are not kept because no app has a Redis "
                "client; pass it as setup_observability(app, redis=…)",
                self._name,
            )

    def _prepare(self, args: Any, kwargs: Any) -> tuple[Cache, Entry] | None:
        """Return the cache and the call's keys; None where the call is not cached."""
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
    """Forget every result that carries one of the tags; return whether that was done.

    It takes one command however many results there are. What is being computed is forgotten too.

    Raises:
        TypeError: the app's Redis client is async, or a tag is no text.
    """
    cache = _bound.current
    if cache is None:
        return False
    if cache.is_async:
        raise TypeError("the app's Redis client is async; write `await ainvalidate(…)`")
    return _told(cache.run(cache.forget_tags(tags), insist=True), "tags")


async def ainvalidate(*tags: str) -> bool:
    """Do what :func:`invalidate` does, in a coroutine, with a client of either kind.

    Raises:
        TypeError: a tag is no text.
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
    except RuntimeError:  # a thread without a loop, or another kind of loop
        return False
    return True
