"""SLI kind ``ratio``: compares two counters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from etter_obs._internal.conventions import Label, Metric, MetricKind, metric_by_suffix
from etter_obs._internal.slo.kinds.base import (
    Breakdown,
    Row,
    SliExpressions,
    SliKind,
    breakdown_label,
    full_name,
    increase,
    or_zero,
    own,
)
from etter_obs._internal.slo.kinds.checks import Problem, metric_problems
from etter_obs._internal.slo.kinds.readings import Events, Readings
from etter_obs._internal.slo.kinds.timeline import Series, Share, Step, counter
from etter_obs._internal.slo.spec.fields import MetricName
from etter_obs._internal.text.promql import scraped, series

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Slo, Spec


class Ratio(SliKind):
    """Two counters: good and bad, bad and total, or good and total."""

    row: ClassVar[Row] = Row(
        fields="two of good, bad, total",
        counts="two counters",
        bad="the bad ones",
    )

    good: MetricName | None = None
    bad: MetricName | None = None
    total: MetricName | None = None

    def problems(self, spec: Spec) -> Iterator[Problem]:
        """Yield fields that do not name two different counters."""
        given = [name for name in ("good", "bad", "total") if getattr(self, name) is not None]
        if len(given) != 2:
            yield (), "a ratio requires two of good, bad and total"
        for name in given:
            yield from metric_problems((name,), getattr(self, name), MetricKind.COUNTER, spec)
        if len({getattr(self, name) for name in given}) < len(given):
            yield (given[-1],), "a ratio requires two different counters"

    def expressions(self, spec: Spec, slo: Slo) -> SliExpressions:
        """Count the events of the two counters."""

        def count(suffix: str) -> str:
            selector = series(full_name(suffix, spec), scraped(spec.service, spec.environment))
            return increase(spec, selector)

        if self.total is None:
            good, bad = count(self.good or ""), count(self.bad or "")
            # Either counter may be absent until its first event; the sum must exist.
            total = f"({or_zero(good, bad)}) + ({or_zero(bad, good)})"
            return SliExpressions(total, or_zero(bad, good))
        total = count(self.total)
        if self.bad is not None:
            return SliExpressions(total, or_zero(count(self.bad), total))
        good = or_zero(count(self.good or ""), total)
        return SliExpressions(total, f"clamp_min({total} - ({good}), 0)")

    def synthetic_series(
        self, spec: Spec, slo: Slo, steps: Sequence[Step], seconds: Decimal
    ) -> Series:
        """Return the counters that the SLI names."""
        given: dict[Share, str | None] = {"good": self.good, "bad": self.bad, "all": self.total}
        return {
            series(full_name(suffix, spec), own(spec, (Label.INSTANCE, "a"))): counter(
                steps, seconds, share
            )
            for share, suffix in given.items()
            if suffix is not None
        }

    def bad_series_marks(self) -> tuple[str, ...]:
        """Return the name of the counter of bad events."""
        return () if self.bad is None else (self.bad,)

    def breakdown(self, spec: Spec) -> Breakdown | None:
        """Break bad events down if the SLI names their counter and it has such a label."""
        metric = None if self.bad is None else metric_by_suffix(self.bad)
        if metric is None:
            return None
        label = breakdown_label(metric)
        return None if label is None else Breakdown(metric, label)

    def events(self, spec: Spec, readings: Readings) -> Iterator[Events] | None:
        """Return the events of both counters, if both are of etter-obs."""
        given = {name: getattr(self, name) for name in ("good", "bad", "total")}
        known = {name: metric_by_suffix(suffix or "") for name, suffix in given.items()}
        if sum(metric is not None for metric in known.values()) < 2:
            return None
        return self._events_of(known, readings)

    def _events_of(
        self, known: Mapping[str, Metric | None], readings: Readings
    ) -> Iterator[Events]:
        good, bad, total = known["good"], known["bad"], known["total"]
        if bad is None:
            counted = [sum(v for _, v in readings.values(m)) for m in (good, total) if m]
            yield Events("", counted[1], max(0.0, counted[1] - counted[0]))
            return
        label = breakdown_label(bad)
        for labels, count in readings.values(bad):
            yield Events(labels[label] if label else "", count if total is None else 0.0, count)
        for _, count in readings.values(total or good or bad):
            yield Events("", count, 0.0)

    def reads(self, metric: Metric) -> bool:
        """Return whether ``metric`` is one of the counters."""
        return metric.suffix in (self.good, self.bad, self.total)
