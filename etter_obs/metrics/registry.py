"""Families of metrics with a cap on their series."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from etter_obs import conventions
from etter_obs.conventions import KEPT_PAST_CAP, OVERFLOW, UNMATCHED, Metric, MetricKind
from etter_obs.metrics.cells import Cells, Labels, Peer, Record
from etter_obs.metrics.children import (
    Counter,
    Gauge,
    Histogram,
    OverflowCounter,
    OverflowGauge,
    OverflowHistogram,
    record_size,
)
from etter_obs.metrics.workers import WorkerFolder, is_arbiter

_MAX_LABEL: Final = 256
_REFRESH_SECONDS: Final = 5.0
_FEW: Final = (UNMATCHED, *map(str, range(100, 600)), *(f"{n}xx" for n in range(1, 6)))
"""Label values that strangers cannot multiply; a route's template is one of them too."""
_LADDERS: Final = {
    "_seconds": (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    "_bytes": tuple(4.0**n for n in range(3, 13)),
    "": (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0),
}

_log = logging.getLogger(__name__)

C = TypeVar("C", bound=Counter | Gauge | Histogram)


class Family(Generic[C]):
    """The children of one metric: those of the code's own label sets, and as many as the cap.

    All others share overflow series. These keep what SLIs choose by, so that a failure or a route
    counts past the cap as it did before it.
    """

    def __init__(
        self, registry: MetricsRegistry, metric: Metric, kind: type[C], overflow: type[C]
    ) -> None:
        self.metric = metric
        self.bounds = registry.bounds(metric)
        self._registry = registry
        self._kind = kind
        self._overflow = overflow
        self._children: dict[Labels, C] = {}
        self._capped = 0
        """Children that spend the cap."""

    def child(self, *labels: str) -> C:
        """Return the child of these label values, in the order of the metric's ``labels``.

        Past the cap it is an overflow series, which counts each use as dropped.
        """
        child = self._children.get(labels)
        return self._make(labels) if child is None else child

    def prime(self, *labels: str) -> None:
        """Create a child before its first event: 0 where a rule looks for the event's increase.

        It does not spend the cap: as many are primed as the app's code has routes.
        """
        self._make(labels, spends=False)

    def __len__(self) -> int:
        return len(self._children)

    def _make(self, given: Labels, *, spends: bool = True) -> C:
        if len(given) != len(self.metric.labels):
            raise TypeError(f"{self.metric.suffix} takes {len(self.metric.labels)} label values")
        labels = tuple([str(value)[:_MAX_LABEL] for value in given])
        registry = self._registry
        with registry.lock:
            child = self._children.get(labels)
            if child is not None:
                return child
            shared = self._past_cap(labels)
            spends = spends and shared != labels
            if not spends or self._capped < registry.series_cap:
                self._capped += spends
                child = self._kind(self._record(labels), registry.lock, self.bounds)
            else:
                labels = shared
                child = self._children.get(labels)
                if child is None:
                    overflow: Any = self._overflow(self._record(labels), registry.lock, self.bounds)
                    dropped = registry.counter(conventions.SERIES_DROPPED)
                    overflow.dropped = dropped.child(self.metric.suffix)
                    child = overflow
            self._children[labels] = child
        return child

    def _past_cap(self, labels: Labels) -> Labels:
        few = self._registry.few
        return tuple(
            value if label in KEPT_PAST_CAP and value in few else OVERFLOW
            for label, value in zip(self.metric.labels, labels, strict=True)
        )

    def _record(self, labels: Labels) -> Record:
        kind = self.metric.kind
        size = record_size(self.bounds) if kind is MetricKind.HISTOGRAM else 2
        cells = self._registry.cells.allocate(self.metric.suffix, labels, size)
        if kind in _LIVE:
            cells[0] = 0.0
            # "latest" is absent until it is set; the others count from now on.
            cells[1] = 0.0 if self.metric.across == "latest" else 1.0
        return cells

    def rebind(self) -> None:
        """Move every child to the registry's new records, in which it counts from the beginning."""
        for labels, child in self._children.items():
            cells = self._record(labels)
            if self.metric.kind is MetricKind.INFO:  # said once, and true for a forked child too
                cells[0] = child.cells[0]
            child.lock, child.cells = self._registry.lock, cells


_LIVE: Final = (MetricKind.GAUGE, MetricKind.INFO)


class MetricsRegistry:
    """Every metric of the app.

    Args:
        prefix: stands before every name, e.g. ``etter``.
        series_cap: label sets a metric may hold in each worker, beside those that are primed and
            the overflow series.
        buckets: bounds of histograms, in the metric's unit; the others have a ladder by their unit.
        multiproc_dir: folder where the service's workers meet; None: this process is alone.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(
        self,
        prefix: str,
        *,
        series_cap: int = 1_000,
        buckets: Mapping[Metric, tuple[float, ...]] | None = None,
        multiproc_dir: Path | None = None,
    ) -> None:
        self.prefix = prefix
        self.series_cap = series_cap
        self.few = set(_FEW)
        """Label values that overflow series keep; the app's routes are added to them."""
        self.lock = threading.RLock()
        self.families: dict[str, Family[Any]] = {}
        self.cells = Cells()
        self._buckets = dict(buckets or {})
        self._callbacks: list[Callable[[], None]] = []
        self._folder: WorkerFolder | None = None
        self._closed = threading.Event()
        if multiproc_dir is not None:
            self._folder = WorkerFolder(multiproc_dir, self._schema())
            self._share(self._folder.claim())
        self.on_scrape(self._describe_itself)
        _registries.add(self)

    def counter(self, metric: Metric) -> Family[Counter]:
        """Return the family of a counter."""
        return self._family(metric, MetricKind.COUNTER, Counter, OverflowCounter)

    def gauge(self, metric: Metric) -> Family[Gauge]:
        """Return the family of a gauge."""
        return self._family(metric, MetricKind.GAUGE, Gauge, OverflowGauge)

    def info(self, metric: Metric) -> Family[Gauge]:
        """Return the family of an info metric, whose children are set to 1."""
        return self._family(metric, MetricKind.INFO, Gauge, OverflowGauge)

    def histogram(self, metric: Metric) -> Family[Histogram]:
        """Return the family of a histogram."""
        return self._family(metric, MetricKind.HISTOGRAM, Histogram, OverflowHistogram)

    def on_scrape(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` set its gauges before a scrape; the return value undoes that.

        It must be quick and may run in any thread. Several workers call it every five seconds too,
        since a scrape reaches only one of them.
        """
        self._callbacks.append(callback)

        def undo() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return undo

    def refresh(self) -> None:
        """Run the callbacks; one that fails is logged and keeps no other from its turn."""
        for callback in tuple(self._callbacks):
            try:
                callback()
            except Exception:  # noqa: BLE001  # whatever it is, the other metrics are still true
                _log.warning("A metric could not be read", exc_info=True)

    def peers(self) -> list[tuple[Peer, bool]]:
        """Return the other workers' records, each with whether that worker lives."""
        return [] if self._folder is None else self._folder.peers()

    def bounds(self, metric: Metric) -> tuple[float, ...]:
        """Return a histogram's upper bounds without +Inf; nothing for the other kinds."""
        if metric.kind is not MetricKind.HISTOGRAM:
            return ()
        if metric is conventions.REQUEST_TTFB:
            metric = conventions.REQUEST_DURATION  # a response sent at once counts in both alike
        ladder = next(v for unit, v in _LADDERS.items() if metric.suffix.endswith(unit))
        return self._buckets.get(metric, ladder)

    def close(self) -> None:
        """Leave the other workers; what was counted stays with them."""
        self._closed.set()
        _registries.discard(self)
        if self._folder is not None:
            self._folder.release()
            self._folder = None

    def _family(
        self, metric: Metric, kind: MetricKind, child: type[C], overflow: type[C]
    ) -> Family[C]:
        with self.lock:
            family = self.families.get(metric.suffix)
            if family is None:
                if metric.kind is not kind:
                    raise TypeError(f"{metric.suffix} is a {metric.kind}, not a {kind}")
                family = self.families[metric.suffix] = Family(self, metric, child, overflow)
            return family

    def _schema(self) -> str:
        """Identify the layout of records: other code, or other buckets, must not be added up."""
        layout = [(m.suffix, m.labels, self.bounds(m)) for m in conventions.METRICS]
        return hashlib.sha256(repr((self.prefix, layout)).encode()).hexdigest()[:12]

    def _share(self, fd: int) -> None:
        self.cells = Cells(fd)
        live = {m.suffix for m in conventions.METRICS if m.kind in _LIVE}
        for suffix in live & self.cells.records.keys():
            for cells in self.cells.records[suffix].values():
                cells[1] = 0.0  # the predecessor's gauges died with it
        threading.Thread(target=self._keep_fresh, name="etter-obs-metrics", daemon=True).start()

    def _keep_fresh(self) -> None:
        while not self._closed.wait(_REFRESH_SECONDS):
            self.refresh()

    def _describe_itself(self) -> None:
        living = sum(alive for _, alive in self.peers())
        self.gauge(conventions.WORKERS).child().set(1.0 + living)
        held = self.gauge(conventions.SERIES)
        for suffix, family in list(self.families.items()):
            held.child(suffix).set(len(family))

    def after_fork(self) -> None:
        """Give a forked child records of its own, for all that its parent had bound."""
        self.lock, self._closed = threading.RLock(), threading.Event()
        self.cells = Cells()
        if self._folder is not None:
            try:
                self._share(self._folder.forked())
            except OSError:  # alone, then
                self._folder = None
        self._rebind()

    def step_back(self) -> None:
        """Go on alone, for a process that serves nothing: it only starts those who do.

        They inherit this registry, and join the others in its folder.
        """
        if self._folder is not None and not self._closed.is_set():
            self._closed.set()
            with self.lock:
                self.cells = Cells()
                self._rebind()
            self._folder.release()

    def _rebind(self) -> None:
        for family in self.families.values():
            family.rebind()


_registries: weakref.WeakSet[MetricsRegistry] = weakref.WeakSet()


def living() -> tuple[MetricsRegistry, ...]:
    """Return every registry of this process that is not closed."""
    return tuple(_registries)


def _before_fork() -> None:
    if is_arbiter(sys._getframe(1)):
        for registry in living():
            registry.step_back()


def _after_fork() -> None:
    for registry in living():
        registry.after_fork()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
