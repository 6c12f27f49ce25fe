"""The objects that count: one label set of a counter, gauge or histogram, over a record.

The record of a counter or a gauge has its value and the time when it was set (0: not yet, so it is
not exposed if that matters). The record of a histogram with ``b`` buckets has b counts (not
cumulative), the sum, then the exemplars of all buckets: their times, their values, and their trace
ids (16 bytes, two doubles wide).
"""

from __future__ import annotations

import collections
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from itertools import repeat

from etter_obs._internal.metrics.cells import Record


class Child:
    """One label set. Safe across threads, in signal handlers and after a fork.

    The lock is re-entrant, because a handler of a garbage collection or a signal may count while
    the same thread counts.

    Args:
        cells: The record with the values.
        lock: The lock of the registry.
        bounds: Upper bounds of a histogram's buckets without +Inf; unused by other kinds.
    """

    __slots__ = ("cells", "lock")

    def __init__(self, cells: Record, lock: threading.RLock, bounds: tuple[float, ...]) -> None:
        del bounds
        self.cells = cells
        self.lock = lock


class Counter(Child):
    """A value that only grows."""

    __slots__ = ()

    def inc(self, amount: float = 1.0) -> None:
        """Add ``amount``, which is not negative."""
        with self.lock:
            self.cells[0] += amount

    def set(self, total: float) -> None:
        """Set a total that is counted elsewhere."""
        with self.lock:
            self.cells[0] = total
            self.cells[1] = time.time()

    @property
    def value(self) -> float:
        """The value in this process's record."""
        return self.cells[0]


class Gauge(Counter):
    """A value that goes up and down; it counts only while its worker lives."""

    __slots__ = ()

    def dec(self, amount: float = 1.0) -> None:
        """Subtract ``amount``."""
        with self.lock:
            self.cells[0] -= amount


class Histogram(Child):
    """Observations in buckets, and the newest exemplar of each bucket.

    Args:
        cells: The record with the values.
        lock: The lock of the registry.
        bounds: Upper bounds of the buckets without +Inf, in the metric's base unit.
    """

    __slots__ = ("_buckets", "bounds")

    def __init__(self, cells: Record, lock: threading.RLock, bounds: tuple[float, ...]) -> None:
        super().__init__(cells, lock, bounds)
        self.bounds = bounds
        self._buckets = len(bounds) + 1

    def observe(self, value: float, exemplar: str | None = None) -> None:
        """Count ``value``, in the metric's base unit.

        ``exemplar`` is the id (32 hexadecimal digits) of a trace that is kept.
        """
        bucket = bisect_left(self.bounds, value)
        with self.lock:
            cells = self.cells
            cells[bucket] += 1.0
            cells[self._buckets] += value
        if exemplar:
            self.mark(value, exemplar)

    def observe_all(self, values: Sequence[float]) -> None:
        """Count many observations, at a fraction of the cost of as many calls."""
        found = collections.Counter(map(bisect_left, repeat(self.bounds), values))
        with self.lock:
            cells = self.cells
            for bucket, count in found.items():
                cells[bucket] += count
            cells[self._buckets] += sum(values)

    def mark(self, value: float, trace_id: str) -> None:
        """Make a trace the exemplar of the bucket of ``value``."""
        buckets = self._buckets
        bucket = bisect_left(self.bounds, value)
        when = buckets + 1 + bucket
        start = _trace_at(buckets, bucket)
        with self.lock:
            # Another process may be reading; it ignores an exemplar whose time is zero or changes.
            cells = self.cells
            cells[when] = 0.0
            cells[when + buckets] = value
            cells.cast("B")[start : start + 16] = bytes.fromhex(trace_id)
            cells[when] = time.time()

    @property
    def count(self) -> float:
        """Number of observations in this process's record."""
        return sum(self.cells[: self._buckets].tolist())

    @property
    def sum(self) -> float:
        """Sum of the observations in this process's record."""
        return self.cells[self._buckets]


def record_size(bounds: tuple[float, ...]) -> int:
    """Return the number of doubles in a histogram's record."""
    return 5 * (len(bounds) + 1) + 1


def exemplar_of(cells: Record, buckets: int, bucket: int) -> tuple[float, float, str] | None:
    """Return the exemplar of a bucket as Unix time, value and trace id; None if it has none.

    Args:
        cells: The histogram's record.
        buckets: Number of buckets.
        bucket: Index of the bucket.

    Returns:
        The exemplar or None.
    """
    when = buckets + 1 + bucket
    at = cells[when]
    value = cells[when + buckets]
    start = _trace_at(buckets, bucket)
    trace_id = bytes(cells.cast("B")[start : start + 16]).hex()
    return (at, value, trace_id) if at and cells[when] == at else None


def _trace_at(buckets: int, bucket: int) -> int:
    return 8 * (3 * buckets + 1 + 2 * bucket)


class OverflowCounter(Counter):
    """Count everything past the cap of a metric, and how often that happens."""

    __slots__ = ("dropped",)
    dropped: Counter

    def inc(self, amount: float = 1.0) -> None:
        """Add ``amount`` and count one drop."""
        super().inc(amount)
        self.dropped.inc()


class OverflowGauge(Gauge):
    """Count everything past the cap of a metric, and how often that happens."""

    __slots__ = ("dropped",)
    dropped: Counter

    def inc(self, amount: float = 1.0) -> None:
        """Add ``amount`` and count one drop."""
        super().inc(amount)
        self.dropped.inc()

    def set(self, total: float) -> None:
        """Set the value and count one drop."""
        super().set(total)
        self.dropped.inc()


class OverflowHistogram(Histogram):
    """Count everything past the cap of a metric, and how often that happens."""

    __slots__ = ("dropped",)
    dropped: Counter

    def observe(self, value: float, exemplar: str | None = None) -> None:
        """Count ``value`` and one drop."""
        super().observe(value, exemplar)
        self.dropped.inc()

    def observe_all(self, values: Sequence[float]) -> None:
        """Count many observations, and as many drops."""
        super().observe_all(values)
        self.dropped.inc(len(values))
