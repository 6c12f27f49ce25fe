"""One health check: runs with a timeout, never twice at once, and caches its outcome."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

from etter_obs._internal.context import current_request
from etter_obs._internal.conventions import HealthReason
from etter_obs._internal.health.outcome import Outcome

CheckCallable = Callable[[], object]
"""A check: a sync or async callable without arguments. It returns a ``HealthReason``, ``False`` for
a failure, or anything else for healthy. An exception becomes a reason; its text is never shown."""

_LOG: Final = logging.getLogger("etter_obs.health")
_CHAIN_DEPTH: Final = 10


class Check:
    """A named check and its newest outcome.

    Args:
        name: the check's name.
        call: the check.
        critical: whether a failure makes the process not ready.
        timeout: seconds that one run may take.
        report: called with the name and every outcome.
    """

    def __init__(
        self,
        name: str,
        call: CheckCallable,
        *,
        critical: bool,
        timeout: float,
        report: Callable[[str, Outcome], None],
    ) -> None:
        self.name = name
        self.critical = critical
        self.timeout = timeout
        self._call = call
        self._report = report
        self._is_async = inspect.iscoroutinefunction(call)
        self._flight: asyncio.Task[Outcome] | None = None
        self._work: asyncio.Task[object] | None = None
        self._last: Outcome | None = None

    def recent(self, max_age: float) -> Outcome | None:
        """Return the newest outcome if it is at most ``max_age`` seconds old, else None."""
        last = self._last
        return last if last and time.monotonic() - last.ended <= max_age else None

    def flight(self) -> asyncio.Task[Outcome]:
        """Return the current run in this event loop, or begin one."""
        flight = self._flight
        if flight is None or not _runs_here(flight):
            flight = self._flight = asyncio.create_task(self._run(), context=_quiet_context())
        return flight

    async def _run(self) -> Outcome:
        started = time.perf_counter()
        if self._work is None or not _runs_here(self._work):
            self._work = asyncio.create_task(self._ask())
        work = self._work
        # wait(), because wait_for() waits for a check that ignores its cancellation.
        await asyncio.wait({work}, timeout=self.timeout)
        error: BaseException | None = None
        if not work.done():
            reason = HealthReason.TIMEOUT
            # A thread cannot be stopped, so no second one begins before it ends.
            if self._is_async:
                work.cancel()
        elif work.cancelled():
            reason = HealthReason.TIMEOUT
        elif error := work.exception():
            reason = _reason_of(error)
        else:
            reason = _answer_of(work.result())
        outcome = Outcome(reason, time.perf_counter() - started)
        self._log_change(outcome, error)
        self._last = outcome
        self._report(self.name, outcome)
        return outcome

    async def _ask(self) -> object:
        if not self._is_async:
            answer = await _in_thread(self._call)
            if not inspect.isawaitable(answer):
                return answer
            # An async client's bound method, for example. Calling it does not block.
            self._is_async = True
            return await answer
        answer = self._call()
        return await answer if inspect.isawaitable(answer) else answer

    def _log_change(self, outcome: Outcome, error: BaseException | None) -> None:
        before = self._last.reason if self._last else HealthReason.OK
        if outcome.reason is before:
            return
        if outcome.healthy:
            _LOG.info("health check %s passes again", self.name)
        else:
            # The log masks secrets; an answer never contains the exception's text.
            _LOG.warning("health check %s fails: %s", self.name, outcome.reason, exc_info=error)


async def run_all(
    checks: Iterable[Check], *, max_age: float, deadline: float
) -> dict[str, Outcome]:
    """Run ``checks`` concurrently and return their outcomes.

    A check that misses the deadline counts as timed out here; its own timeout ends it later.

    Args:
        checks: the checks to run.
        max_age: seconds for which an earlier outcome is reused.
        deadline: seconds after which the function returns.

    Returns:
        The outcomes by name.
    """
    checks = list(checks)
    outcomes = {check.name: check.recent(max_age) for check in checks}
    flights = {check.name: check.flight() for check in checks if outcomes[check.name] is None}
    if flights:
        await asyncio.wait(flights.values(), timeout=deadline)
    late = Outcome(HealthReason.TIMEOUT, deadline)
    for name, flight in flights.items():
        outcomes[name] = flight.result() if flight.done() and not flight.cancelled() else late
    return {name: outcome or late for name, outcome in outcomes.items()}


def _runs_here(task: asyncio.Task[object] | asyncio.Task[Outcome]) -> bool:
    return not task.done() and task.get_loop() is asyncio.get_running_loop()


def _quiet_context() -> contextvars.Context:
    """Return a context in which a check creates no span and belongs to no request."""
    context = contextvars.Context()
    context.run(lambda: attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True)))
    context.run(current_request.set, None)
    return context


async def _in_thread(call: CheckCallable) -> object:
    """Run ``call`` in a daemon thread, so that a hang blocks neither a pool nor the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[tuple[object, BaseException | None]] = loop.create_future()

    def settle(answer: object, error: BaseException | None) -> None:
        if not future.done():
            future.set_result((answer, error))

    def run() -> None:
        answer, error = None, None
        try:
            answer = call()
        except BaseException as raised:  # noqa: BLE001  # any exception is the check's outcome
            error = raised
        with suppress(RuntimeError):  # the loop is closed, so the outcome is not needed
            loop.call_soon_threadsafe(settle, answer, error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="etter-obs check", daemon=True).start()
    answer, error = await future
    if error is None:
        return answer
    if isinstance(error, Exception):
        raise error
    # A SystemExit in a check must not end the event loop.
    raise RuntimeError(f"the check raised {type(error).__name__}") from error


def _answer_of(answer: object) -> HealthReason:
    if isinstance(answer, HealthReason):
        return answer
    return HealthReason.FAILED if answer is False else HealthReason.OK


def _reason_of(error: BaseException) -> HealthReason:
    """Return the reason from the chain of causes: clients wrap the operating system's error."""
    link: BaseException | None = error
    for _ in range(_CHAIN_DEPTH):
        if isinstance(link, TimeoutError):
            return HealthReason.TIMEOUT
        if isinstance(link, OSError):
            return HealthReason.UNREACHABLE
        link = link.__cause__ or link.__context__ if link else None
    return HealthReason.FAILED
