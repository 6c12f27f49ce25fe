"""SLI kind ``latency``: compares the events of a histogram with a threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import Field

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Label, Metric, MetricKind, metric_by_suffix
from etter_obs._internal.slo.kinds.base import (
    ROUTE,
    Breakdown,
    Row,
    SliExpressions,
    SliKind,
    breakdown_label,
    full_name,
    increase,
    own,
)
from etter_obs._internal.slo.kinds.checks import Problem, metric_problems
from etter_obs._internal.slo.kinds.readings import Events, Readings
from etter_obs._internal.slo.kinds.timeline import Series, Step, counter
from etter_obs._internal.slo.spec.fields import Latency, MetricName, Route
from etter_obs._internal.text.promql import (
    differs,
    equals,
    matches_not,
    none_of,
    one_of,
    scraped,
    series,
)
from etter_obs._internal.text.units import le_text

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Slo, Spec

_FAILED: Final = ("5xx", str(conventions.STATUS_CLIENT_CLOSED))
_WITHOUT_FAILURES: Final = matches_not(Label.STATUS_CLASS, "|".join(_FAILED))
"""Availability counts failures; no SLI counts a response that no client waited for."""


class LatencySli(SliKind):
    """Events of a histogram; events slower than the threshold are bad."""

    row: ClassVar[Row] = Row(
        fields="threshold, metric, routes",
        counts="events of the histogram; for requests, without 5xx, 499 and streaming routes",
        bad="slower than the threshold",
    )

    threshold: Latency
    metric: MetricName = Field(
        default=conventions.REQUEST_DURATION.suffix,
        description="A histogram of etter-obs (without prefix) or of own_metrics.",
    )
    routes: tuple[Route, ...] = Field(
        default=(), description="Counts only these route templates; default: all."
    )

    @property
    def _labels(self) -> tuple[str, ...]:
        metric = metric_by_suffix(self.metric)
        return metric.labels if metric else ()

    def problems(self, spec: Spec) -> Iterator[Problem]:
        """Yield a metric that is not a histogram of seconds, and routes without latency."""
        yield from metric_problems(("metric",), self.metric, MetricKind.HISTOGRAM, spec)
        metric = metric_by_suffix(self.metric)
        if metric is not None and self.routes and Label.ENDPOINT not in metric.labels:
            message = f"{self.metric} has no label {Label.ENDPOINT}, so routes cannot be selected"
            yield ("routes",), message
        if metric is not None and not metric.suffix.endswith("_seconds"):
            message = f"{self.metric} is not a duration; a latency requires a histogram of seconds"
            yield ("metric",), message
        if both := set(self.routes) & set(spec.streaming_routes):
            yield (
                ("routes",),
                f"{sorted(both)} is in streaming_routes, and a streaming route has no latency",
            )

    def expressions(self, spec: Spec, slo: Slo) -> SliExpressions:
        """Count all events, and those outside the threshold's bucket."""
        common = self._counted(spec)
        name = full_name(self.metric, spec)
        count = series(f"{name}_count", common)
        within = series(f"{name}_bucket", [*common, self._within])
        total = increase(spec, count)
        # Not `or 0 * total`: without its bucket the SLI must be absent, not healthy. Clamped,
        # because a reset that only one of the two counters shows gives a negative result.
        return SliExpressions(
            total,
            f"clamp_min({total} - {increase(spec, within)}, 0)",
            histogram=(count, within),
            has_routes=Label.ENDPOINT in self._labels,
        )

    def buckets(self, spec: Spec) -> str:
        """Return the selector of all buckets that the SLI's events fall into."""
        return series(f"{full_name(self.metric, spec)}_bucket", self._counted(spec))

    def _counted(self, spec: Spec) -> list[str]:
        """Return the matchers of the series whose events count."""
        common = [*scraped(spec.service, spec.environment)]
        if Label.ENDPOINT in self._labels:
            common.append(differs(Label.ENDPOINT, conventions.UNMATCHED))
            if spec.streaming_routes:
                common.append(none_of(Label.ENDPOINT, spec.streaming_routes))
        if self.routes:
            common.append(one_of(Label.ENDPOINT, self.routes))
        if Label.STATUS_CLASS in self._labels:
            common.append(_WITHOUT_FAILURES)
        return common

    @property
    def _within(self) -> str:
        return equals("le", le_text(self.threshold))

    def synthetic_series(
        self, spec: Spec, slo: Slo, steps: Sequence[Step], seconds: Decimal
    ) -> Series:
        """Return a histogram with the threshold's bucket."""
        name = full_name(self.metric, spec)
        values = {
            Label.ENDPOINT: self.routes[-1] if self.routes else ROUTE,
            Label.STATUS_CLASS: "2xx",
        }
        known = self._labels
        if metric_by_suffix(self.metric) is None and self.routes:
            known = (Label.ENDPOINT,)
        labels = [(label, values.get(label, "x")) for label in known]
        common = own(spec, (Label.INSTANCE, "a"), *labels)
        everything = counter(steps, seconds, "all")
        return {
            series(f"{name}_count", common): everything,
            series(f"{name}_bucket", [*common, self._within]): counter(steps, seconds, "good"),
            series(f"{name}_bucket", [*common, equals("le", "+Inf")]): everything,
        }

    def uncounted(self, spec: Spec, selector: str) -> list[tuple[str, str]]:
        """Return labels of failures, streams, and requests to unknown or other routes."""
        found: list[tuple[str, str]] = []
        if f"{Label.STATUS_CLASS}=" in selector:
            found += [(Label.ENDPOINT, conventions.UNMATCHED), (Label.STATUS_CLASS, "5xx")]
            found.append((Label.STATUS_CLASS, str(conventions.STATUS_CLIENT_CLOSED)))
            found += [(Label.ENDPOINT, route) for route in spec.streaming_routes[:1]]
        if self.routes:
            found.append((Label.ENDPOINT, "/not-listed"))
        return found

    def breakdown(self, spec: Spec) -> Breakdown | None:
        """Break slow events down by route or by another label of the histogram."""
        metric = metric_by_suffix(self.metric)
        if metric is None:
            return None
        label = breakdown_label(metric)
        if label is None:
            return None
        matchers: list[str] = []
        if label is Label.ENDPOINT:
            matchers.append(
                one_of(label, self.routes)
                if self.routes
                else none_of(label, [conventions.UNMATCHED, *spec.streaming_routes])
            )
        if Label.STATUS_CLASS in metric.labels:
            matchers.append(_WITHOUT_FAILURES)
        return Breakdown(metric, label, tuple(matchers), within=self._within)

    def events(self, spec: Spec, readings: Readings) -> Iterator[Events] | None:
        """Return the events of each label set of the histogram, if it is one of etter-obs."""
        metric = metric_by_suffix(self.metric)
        return None if metric is None else self._events_of(metric, spec, readings)

    def _events_of(self, metric: Metric, spec: Spec, readings: Readings) -> Iterator[Events]:
        label = breakdown_label(metric)
        for labels, count, within in readings.within(metric, float(self.threshold)):
            route = labels.get(Label.ENDPOINT)
            if route is not None and (
                route == conventions.UNMATCHED
                or route in spec.streaming_routes
                or not self.covers(route)
            ):
                continue
            if labels.get(Label.STATUS_CLASS) not in _FAILED:
                yield Events(labels[label] if label else "", count, max(0.0, count - within))

    def reads(self, metric: Metric) -> bool:
        """Return whether ``metric`` is the SLI's histogram."""
        return metric.suffix == self.metric

    def covers(self, route: str) -> bool:
        """Return whether the SLI has no list of routes, or ``route`` is on it."""
        return not self.routes or route in self.routes

    def bucket(self, metric: Metric) -> Decimal | None:
        """Return the threshold if ``metric`` is the SLI's histogram."""
        return self.threshold if self.reads(metric) else None
