"""The current values of the app's metrics, over all workers, and what follows from histograms."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import nan
from typing import TYPE_CHECKING, NamedTuple

from etter_obs._internal.metrics.merge import add_up, combine, gather
from etter_obs._internal.slo.kinds.readings import Labels

if TYPE_CHECKING:
    from etter_obs._internal.conventions import Metric
    from etter_obs._internal.metrics.registry import MetricsRegistry


class Distribution(NamedTuple):
    """The counts of a histogram's buckets, the last one without an upper bound, and the sum."""

    bounds: Sequence[float]
    counts: Sequence[float]
    sum: float

    @property
    def total(self) -> float:
        """Number of observations."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """The mean; NaN without observations."""
        return self.sum / self.total if self.total else nan

    def since(self, earlier: Distribution | None) -> Distribution:
        """Return what came after ``earlier``."""
        if earlier is None:
            return self
        counts = [max(0.0, n - o) for n, o in zip(self.counts, earlier.counts, strict=True)]
        return Distribution(self.bounds, counts, self.sum - earlier.sum)

    def plus(self, other: Distribution | None) -> Distribution:
        """Return the observations of both."""
        if other is None:
            return self
        counts = array("d", [a + b for a, b in zip(self.counts, other.counts, strict=True)])
        return Distribution(self.bounds, counts, self.sum + other.sum)

    def quantile(self, share: float) -> float:
        """Estimate a quantile as Prometheus's ``histogram_quantile`` does; NaN without data.

        Linear within a bucket; a value above the last bound counts as that bound.
        Source: prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
        """
        total = self.total
        if not total:
            return nan
        rank, below = share * total, 0.0
        for index, cumulative in enumerate(accumulate(self.counts)):
            if cumulative >= rank:
                if index == len(self.bounds):
                    return self.bounds[-1]
                start = self.bounds[index - 1] if index else 0.0
                width = self.bounds[index] - start
                inside = self.counts[index]
                return start + (width * (rank - below) / inside if inside else 0.0)
            below = cumulative
        return self.bounds[-1]


class MergedReadings:
    """The values at one moment, of this worker and of the others. Any thread may read them."""

    def __init__(self, registry: MetricsRegistry) -> None:
        registry.refresh()
        self._registry = registry
        self._peers = registry.peers()
        for peer, _ in self._peers:
            for _ in peer.refresh():
                pass

    def values(self, metric: Metric) -> Iterator[tuple[Labels, float]]:
        """Yield the label sets of a counter or a gauge, each with its value."""
        for labels, records in gather(self._registry, metric, self._peers):
            value = combine(metric, records)
            if value is not None:
                named: Labels = dict(zip(metric.labels, labels, strict=True))
                yield named, value

    def distributions(self, metric: Metric) -> Iterator[tuple[Labels, Distribution]]:
        """Yield the label sets of a histogram, each with its distribution."""
        bounds = self._registry.bounds(metric)
        buckets = len(bounds) + 1
        for labels, records in gather(self._registry, metric, self._peers):
            summed = add_up(records, buckets + 1)
            counts = array("d", summed[:buckets])
            named: Labels = dict(zip(metric.labels, labels, strict=True))
            yield named, Distribution(bounds, counts, summed[buckets])

    def within(self, metric: Metric, bound: float) -> Iterator[tuple[Labels, float, float]]:
        """Yield the label sets of a histogram: the count, and that of values up to ``bound``."""
        index = bisect_right(self._registry.bounds(metric), bound)
        for labels, found in self.distributions(metric):
            yield labels, found.total, sum(found.counts[:index])

    def total(self, metric: Metric) -> float:
        """Return the sum over all label sets of a counter or a gauge."""
        return sum(value for _, value in self.values(metric))

    def overall(self, metric: Metric) -> Distribution | None:
        """Return the distribution over all label sets of a histogram; None without any."""
        found: Distribution | None = None
        for _, each in self.distributions(metric):
            found = each.plus(found)
        return found
