"""The app's own series: a reading of ``/metrics``, and what happened between two readings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from etter_obs._internal.conventions import Label, Metric

PREFIX = "etter"

_Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of metrics in Prometheus's text format, and when it was fetched (monotonic, s)."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of all series at a moment."""

    at: float
    values: Mapping[_Key, float]

    @classmethod
    def of(cls, page: Page) -> Reading:
        """Parse a page. It takes a while: do it when the load is over."""
        families = text_string_to_metric_families(page.text)
        samples = (sample for family in families for sample in family.samples)
        return cls(page.at, {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples})


@dataclass(frozen=True, slots=True)
class Delta:
    """What happened between two readings.

    ``routes`` limits series that have an endpoint; probes and the like have none of these.
    """

    first: Reading
    last: Reading
    routes: Collection[str]

    @property
    def seconds(self) -> float:
        """The time between both."""
        return self.last.at - self.first.at

    def growth(self, metric: Metric, part: str = "", **labels: str) -> float:
        """Return by how much a counter grew, over all label sets that match.

        Args:
            metric: of the bundle.
            part: ``_sum`` or ``_count`` of a histogram, or ``_bucket`` with ``le``.
            labels: exact values.
        """
        return sum(
            value - self.first.values.get(key, 0.0) for key, value in self._of(metric, part, labels)
        )

    def level(self, metric: Metric) -> float:
        """Return the newest value of a gauge."""
        return sum(value for _, value in self._of(metric, "", {}))

    def failures(self, metric: Metric) -> float:
        """Return how many requests were answered with an error."""
        return sum(
            value - self.first.values.get(key, 0.0)
            for key, value in self._of(metric, "", {})
            if dict(key[1])[Label.STATUS] >= "400"
        )

    def _of(self, metric: Metric, part: str, labels: Mapping[str, str]) -> list[tuple[_Key, float]]:
        name = metric.name(PREFIX) + part
        routed = Label.ENDPOINT in metric.labels
        found = []
        for key, value in self.last.values.items():
            if key[0] != name:
                continue
            own = dict(key[1])
            if routed and own.get(Label.ENDPOINT) not in self.routes:
                continue
            if all(own.get(label) == wanted for label, wanted in labels.items()):
                found.append((key, value))
        return found
