"""One call of a ``cached`` function: a look-up, else a computation while other callers wait.

A generator of steps describes a call once; ``run_flight()`` runs the steps for a sync function,
``run_flight_async()`` for a coroutine function.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from etter_obs._internal.conventions import NotKept

if TYPE_CHECKING:
    from etter_obs._internal.cache.results import Results
    from etter_obs._internal.cache.store import Begun, Cache, Entry, Script

COMPUTATION_TIMEOUT: Final = 600
"""Limit of a computation in seconds; later the mark that invalidates its result may be gone."""
PEER_TIMEOUT: Final = 2
"""Seconds to wait for the computation of another process."""
_FLIGHT_TIMEOUT: Final = 30.0
"""Seconds to wait for another caller in this process."""
_POLL_INTERVAL: Final = 0.05
_computing: Final[ContextVar[frozenset[str]]] = ContextVar(
    "etter_obs_computing", default=frozenset()
)
"""Results that this context computes; a recursive call must not wait for itself."""


class Outcome(NamedTuple):
    """The result of a call, and whether Redis has it."""

    value: Any = None
    error: Exception | None = None
    is_stored: bool = False


class Step(Protocol):
    """A step that may block: it runs in a thread or in an event loop."""

    def take(self) -> Any:
        """Run the step in this thread."""

    async def take_async(self) -> Any:
        """Run the step in the event loop."""


Flight = Generator[Step, Any, Outcome]


def run_flight(flight: Flight) -> Any:
    """Return the result of the call, or raise its exception."""
    try:
        step = next(flight)
        while True:
            step = flight.send(step.take())
    except StopIteration as done:
        outcome: Outcome = done.value
    finally:
        flight.close()
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


async def run_flight_async(flight: Flight) -> Any:
    """Return the result of the call, or raise its exception."""
    try:
        step = next(flight)
        while True:
            step = flight.send(await step.take_async())
    except StopIteration as done:
        outcome: Outcome = done.value
    finally:
        flight.close()
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def flight(
    cache: Cache, entry: Entry, results: Results, call: Callable[[], Any], *, waits: bool
) -> Flight:
    """Return the steps of one call.

    Args:
        cache: the cache.
        entry: the call's keys.
        results: encodes and decodes the function's results.
        call: calls the function.
        waits: whether this caller may wait for another caller's computation.

    Returns:
        A generator of steps that returns the outcome.
    """
    until = time.monotonic() + _FLIGHT_TIMEOUT
    waits = waits and entry.value not in _computing.get()
    while True:
        found = results.decode((yield _Ask(cache, cache.look_up(entry))))
        if found is not None:
            cache.count(entry.name, hit=True)
            return Outcome(*found)
        # A wait is useless if Redis will not have the result afterwards.
        if not waits or cache.is_away or not results.are_kept:
            return (yield from _compute(cache, entry, results, call, waits=False))
        mine: Future[bool] = Future()
        other = cache.flights.setdefault(entry.value, mine)
        if other is mine:
            break
        left = until - time.monotonic()
        if left <= 0 or not (yield _Wait(other, left)):
            return (yield from _compute(cache, entry, results, call, waits=False))
    may_find = True  # also after a cancellation, so that the next caller computes
    try:
        outcome = yield from _compute(cache, entry, results, call, waits=True)
        may_find = outcome.is_stored
        return outcome
    finally:
        del cache.flights[entry.value]
        mine.set_result(may_find)


def _compute(
    cache: Cache, entry: Entry, results: Results, call: Callable[[], Any], *, waits: bool
) -> Flight:
    until = time.monotonic() + PEER_TIMEOUT
    while True:
        begun: Begun | None = yield _Ask(cache, cache.begin(entry, results.longest()))
        if begun is None:
            break
        found = results.decode(begun.data)
        if found is not None:
            cache.count(entry.name, hit=True)
            return Outcome(*found, is_stored=True)
        if begun.leads or not waits or time.monotonic() >= until:
            break
        yield _Sleep(_POLL_INTERVAL)
    cache.count(entry.name, hit=False)
    token = _computing.set(_computing.get() | {entry.value})
    try:
        outcome: Outcome = yield _Call(call)
    finally:
        with suppress(ValueError):  # closed in another context
            _computing.reset(token)
    stored = yield from _keep(cache, entry, results, outcome, begun)
    return outcome._replace(is_stored=stored)


def _keep(
    cache: Cache, entry: Entry, results: Results, outcome: Outcome, begun: Begun | None
) -> Generator[Step, Any, bool]:
    """Store the outcome if possible; return whether Redis has it."""
    data = None if outcome.error else results.encode(outcome.value, cache)
    is_late = begun is not None and time.monotonic() - begun.at > COMPUTATION_TIMEOUT
    if data is None or begun is None or is_late:
        if data is not None:
            cache.count_not_kept(entry.name, NotKept.LATE if is_late else NotKept.REDIS)
        if begun is not None and begun.leads:
            yield _Ask(cache, cache.give_up(entry))
        return False
    if (yield _Ask(cache, cache.keep(entry, begun, data, results.lifetime(outcome.value)))):
        return True
    cache.count_not_kept(entry.name, NotKept.REDIS)
    return False


class _Ask(NamedTuple):
    cache: Cache
    script: Script[Any]

    def take(self) -> Any:
        return self.cache.run(self.script)

    async def take_async(self) -> Any:
        return await self.cache.run_async(self.script)


class _Call(NamedTuple):
    call: Callable[[], Any]

    def take(self) -> Outcome:
        try:
            return Outcome(self.call())
        except Exception as error:  # noqa: BLE001  # raised again by run_flight()
            return Outcome(error=error)

    async def take_async(self) -> Outcome:
        try:
            return Outcome(await self.call())
        except Exception as error:  # noqa: BLE001
            return Outcome(error=error)


class _Wait(NamedTuple):
    """Waits for another caller, at most some seconds; returns whether to look again."""

    other: Future[bool]
    seconds: float

    def take(self) -> bool:
        with suppress(TimeoutError):
            return self.other.result(self.seconds)
        return False

    async def take_async(self) -> bool:
        # Shielded, so that a cancelled caller does not cancel it for the others.
        waiting = asyncio.shield(asyncio.wrap_future(self.other))
        with suppress(TimeoutError):
            return await asyncio.wait_for(waiting, self.seconds)
        return False


class _Sleep(NamedTuple):
    seconds: float

    def take(self) -> None:
        time.sleep(self.seconds)

    async def take_async(self) -> None:
        await asyncio.sleep(self.seconds)
