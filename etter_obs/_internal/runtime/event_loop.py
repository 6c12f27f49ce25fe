"""The event loop and its thread pool, which blocking calls of an app exhaust."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Final

from anyio.to_thread import current_default_thread_limiter

from etter_obs._internal import conventions

if TYPE_CHECKING:
    from anyio import CapacityLimiter

    from etter_obs._internal.metrics.children import Histogram
    from etter_obs._internal.metrics.registry import MetricsRegistry

INTERVAL: Final = 0.25
"""Seconds between two measurements of the loop: four wake-ups a second."""


class Loops:
    """Measures event loops, with one timer each."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._lag = registry.histogram(conventions.EVENT_LOOP_LAG).child()
        self._limit = registry.gauge(conventions.THREADPOOL_LIMIT).child()
        self._in_use = registry.gauge(conventions.THREADPOOL_IN_USE).child()
        self._waiting = registry.gauge(conventions.THREADPOOL_WAITING).child()
        self._timers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Timer] = (
            weakref.WeakKeyDictionary()
        )
        self._undo = registry.on_scrape(self._read)

    def watch(self) -> None:
        """Measure the running loop; a second call for the same loop does nothing."""
        loop = asyncio.get_running_loop()
        if loop not in self._timers:
            self._timers[loop] = _Timer(loop, self._lag, current_default_thread_limiter())

    def close(self) -> None:
        """Stop measuring."""
        self._undo()
        for timer in self._timers.values():
            timer.stopped = True
        self._timers.clear()

    def _read(self) -> None:
        limiters = [timer.limiter for loop, timer in self._timers.items() if not loop.is_closed()]
        self._limit.set(sum(limiter.total_tokens for limiter in limiters))
        self._in_use.set(sum(limiter.borrowed_tokens for limiter in limiters))
        self._waiting.set(sum(limiter.statistics().tasks_waiting for limiter in limiters))


class _Timer:
    """Wakes up every ``INTERVAL`` seconds and measures how late it is."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, lag: Histogram, limiter: CapacityLimiter
    ) -> None:
        # A weak reference, because the loop refers to this timer and could never be freed.
        self._loop = weakref.ref(loop)
        self._lag = lag
        self.limiter = limiter
        self.stopped = False
        self._due = loop.time() + INTERVAL
        loop.call_at(self._due, self._wake)

    def _wake(self) -> None:
        loop = self._loop()
        if self.stopped or loop is None:
            return
        now = loop.time()
        self._lag.observe(max(now - self._due, 0.0))
        self._due = now + INTERVAL
        loop.call_at(self._due, self._wake)
