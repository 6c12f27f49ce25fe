"""Families of metrics: label sets, their cap, and what is kept past it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from etter_obs._internal import conventions
from etter_obs._internal.conventions import KEPT_PAST_CAP, OVERFLOW, Metric, MetricKind
from etter_obs._internal.metrics.cells import Labels, Record
from etter_obs._internal.metrics.children import Counter, Gauge, Histogram, record_size

if TYPE_CHECKING:
    from etter_obs._internal.metrics.registry import MetricsRegistry

_MAX_LABEL: Final = 256
LIVE: Final = (MetricKind.GAUGE, MetricKind.INFO)
"""Kinds whose values die with their worker."""

C = TypeVar("C", bound=Counter | Gauge | Histogram)


class Family(Generic[C]):
    """The children of one metric: those of primed label sets, and others up to the cap.

    Label sets past the cap share overflow series. These keep the labels that SLIs filter by, so
    that failures and routes still count past the cap.

    Args:
        registry: The registry that holds the records.
        metric: The metric.
        kind: The class of its children.
        overflow: The class of its overflow series.
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
        """Children that count toward the cap."""

    def child(self, *labels: str) -> C:
        """Return the child of these label values, in the order of the metric's ``labels``.

        Past the cap, it is an overflow series, which counts each use as dropped.
        """
        child = self._children.get(labels)
        return self._make(labels) if child is None else child

    def prime(self, *labels: str) -> None:
        """Create a child before its first event, at the 0 that a rule requires to see an increase.

        It does not count toward the cap: the number of primed children follows from the app's
        routes.
        """
        self._make(labels, spends=False)

    def __len__(self) -> int:
        return len(self._children)

    def _make(self, given: Labels, *, spends: bool = True) -> C:
        if len(given) != len(self.metric.labels):
            raise TypeError(
                f"{self.metric.suffix} requires {len(self.metric.labels)} label values, "
                f"not {len(given)}"
            )
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
        if kind in LIVE:
            cells[0] = 0.0
            # "latest" is absent until it is set; the others count from now on.
            cells[1] = 0.0 if self.metric.across == "latest" else 1.0
        return cells

    def rebind(self) -> None:
        """Move every child to the registry's new records, where it counts from the beginning."""
        for labels, child in self._children.items():
            cells = self._record(labels)
            if (
                self.metric.kind is MetricKind.INFO
            ):  # logged once; this also holds for a forked child
                cells[0] = child.cells[0]
            child.lock, child.cells = self._registry.lock, cells
