"""Every metric of the app: in this process, or shared with the service's other workers."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from etter_obs._internal import conventions
from etter_obs._internal.conventions import UNMATCHED, Metric, MetricKind
from etter_obs._internal.metrics.cells import Cells, Peer
from etter_obs._internal.metrics.children import (
    Counter,
    Gauge,
    Histogram,
    OverflowCounter,
    OverflowGauge,
    OverflowHistogram,
)
from etter_obs._internal.metrics.family import LIVE, C, Family
from etter_obs._internal.metrics.multiproc_dir import is_gunicorn_master
from etter_obs._internal.metrics.prometheus_client_share import ClientShare
from etter_obs._internal.metrics.workers import WorkerFolder

_REFRESH_INTERVAL: Final = 5.0
_BOUNDED_VALUES: Final = (UNMATCHED, *map(str, range(100, 600)), *(f"{n}xx" for n in range(1, 6)))
"""Label values that outside clients cannot multiply; route templates are added to them."""
_LADDERS: Final = {
    "_seconds": (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    "_bytes": tuple(4.0**n for n in range(3, 13)),
    "": (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0),
}

_log = logging.getLogger("etter_obs.metrics")


class MetricsRegistry:
    """Every metric of the app.

    Args:
        prefix: The prefix of every name, for example ``etter``.
        series_cap: Maximum label sets of a metric in each worker, in addition to primed label sets
            and the overflow series.
        buckets: Bounds of histograms in the metric's unit; other histograms use the default bounds
            of their unit.
        multiproc_dir: Folder that the service's workers share; None: this process is alone.
        keeps_counts: Whether counts in that folder stay while no worker lives for a moment.

    Raises:
        OSError: The folder cannot be used.
    """

    def __init__(
        self,
        prefix: str,
        *,
        series_cap: int = 1_000,
        buckets: Mapping[Metric, tuple[float, ...]] | None = None,
        multiproc_dir: Path | None = None,
        keeps_counts: bool = False,
    ) -> None:
        self.prefix = prefix
        self.series_cap = series_cap
        self.few = set(_BOUNDED_VALUES)
        """Label values that overflow series keep; the app's routes are added to them."""
        self.lock = threading.RLock()
        self.families: dict[str, Family[Any]] = {}
        self.cells = Cells()
        self._buckets = dict(buckets or {})
        self._callbacks: list[Callable[[], None]] = []
        self._folder: WorkerFolder | None = None
        self.client: ClientShare | None = None
        """The prometheus_client metrics of all workers; None: this process is alone."""
        self._closed = threading.Event()
        if multiproc_dir is not None:
            self._folder = WorkerFolder(multiproc_dir, self._schema(), keeps=keeps_counts)
            self._share(self._folder.claim())
            self.client = ClientShare(self._folder)
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
        """Call ``callback`` to set its gauges before each scrape; return the undo.

        The callback must be fast and may run on any thread. With several workers, it also runs
        every five seconds, because a scrape reaches only one of them.
        """
        self._callbacks.append(callback)

        def undo() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return undo

    def refresh(self) -> None:
        """Run the callbacks; one that fails is logged and does not stop the others."""
        for callback in tuple(self._callbacks):
            try:
                callback()
            except Exception:  # noqa: BLE001  # the other metrics are still correct
                _log.warning("A metric cannot be read", exc_info=True)

    def peers(self) -> list[tuple[Peer, bool]]:
        """Return the other workers' records, each with whether its worker lives."""
        return [] if self._folder is None else self._folder.peers()

    def bounds(self, metric: Metric) -> tuple[float, ...]:
        """Return a histogram's upper bounds without +Inf; empty for other kinds."""
        if metric.kind is not MetricKind.HISTOGRAM:
            return ()
        if metric is conventions.REQUEST_TTFB:
            metric = conventions.REQUEST_DURATION  # a response sent at once counts the same in both
        ladder = next(v for unit, v in _LADDERS.items() if metric.suffix.endswith(unit))
        return self._buckets.get(metric, ladder)

    def close(self) -> None:
        """Leave the other workers; the counts stay with them."""
        self._closed.set()
        _registries.discard(self)
        self._publish(last=True)
        self.client = None
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
        """Return an id of the record layout: other code or buckets must not be added up."""
        layout = [(m.suffix, m.labels, self.bounds(m)) for m in conventions.METRICS]
        return hashlib.sha256(repr((self.prefix, layout)).encode()).hexdigest()[:12]

    def _share(self, fd: int) -> None:
        self.cells = Cells(fd)
        live = {m.suffix for m in conventions.METRICS if m.kind in LIVE}
        for suffix in live & self.cells.records.keys():
            for cells in self.cells.records[suffix].values():
                cells[1] = 0.0  # the predecessor's gauges died with it
        threading.Thread(target=self._keep_fresh, name="etter-obs-metrics", daemon=True).start()

    def _keep_fresh(self) -> None:
        while not self._closed.wait(_REFRESH_INTERVAL):
            self.refresh()
            self._publish()

    def _publish(self, *, last: bool = False) -> None:
        client = self.client
        if client is not None:
            try:
                client.publish(last=last)
            except Exception:  # noqa: BLE001  # a collector of the app may raise anything
                _log.warning("The metrics of prometheus_client cannot be read", exc_info=True)

    def _describe_itself(self) -> None:
        living = sum(alive for _, alive in self.peers())
        self.gauge(conventions.WORKERS).child().set(1.0 + living)
        held = self.gauge(conventions.SERIES)
        for suffix, family in list(self.families.items()):
            held.child(suffix).set(len(family))

    def after_fork(self) -> None:
        """Give a forked child its own records, for everything its parent had bound."""
        self.lock, self._closed = threading.RLock(), threading.Event()
        self.cells = Cells()
        if self._folder is not None:
            try:
                self._share(self._folder.forked())
                if self.client is not None:
                    self.client.forked()
            except OSError:  # continue alone
                self._folder = self.client = None
        self._rebind()

    def step_back(self) -> None:
        """Continue alone, in a process that only starts the workers and does not serve.

        The workers inherit this registry and join the others in its folder.
        """
        if self._folder is not None and not self._closed.is_set():
            self._closed.set()
            with self.lock:
                self.cells = Cells()
                self._rebind()
            if self.client is not None:
                self.client.step_back()
            self._folder.release()

    def _rebind(self) -> None:
        for family in self.families.values():
            family.rebind()


_registries: weakref.WeakSet[MetricsRegistry] = weakref.WeakSet()


def living() -> tuple[MetricsRegistry, ...]:
    """Return every open registry of this process."""
    return tuple(_registries)


def _before_fork() -> None:
    if is_gunicorn_master(sys._getframe(1)):
        for registry in living():
            registry.step_back()


def _after_fork() -> None:
    for registry in living():
        registry.after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
