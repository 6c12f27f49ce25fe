"""SLI kind ``saturation``: compares a measured value with a bound, per slice of time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field

from etter_obs._internal.conventions import Label, MetricKind, Rule, metric_by_suffix
from etter_obs._internal.conventions.external import Job, Node
from etter_obs._internal.slo.kinds.base import Row, SliExpressions, SliKind, fill, or_zero, own
from etter_obs._internal.slo.kinds.checks import Problem, promql_problems
from etter_obs._internal.slo.kinds.readings import Readings
from etter_obs._internal.slo.kinds.timeline import Series, Step, gauge, integral, slices
from etter_obs._internal.slo.spec.engines import Counting
from etter_obs._internal.slo.spec.fields import SELECTOR_HELP, Bound, Expression, Slice
from etter_obs._internal.slo.spec.policy import SCRAPE_INTERVAL
from etter_obs._internal.slo.spec.selectors import recorded
from etter_obs._internal.text.promql import equals, matches_not, series
from etter_obs._internal.text.units import decimal_text, duration_text

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Slo, Spec

_DISKS: Final = "loop.*|ram.*|zram.*|sr.*|fd.*"
"""Devices other than disks."""
_SHORTEST_COUNTED: Final = 60
"""Seconds that a rate requires: a shorter slice may hold one scrape, too few for a rate."""
_ONE_GAUGE: Final = re.compile(
    r"^(max|min|avg|sum) ?\( ?([a-zA-Z_:][\w:]*) ?\{ ?\$selector ?\} ?\)$"
)
_AGGREGATES: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "max": max,
    "min": min,
    "avg": fmean,
    "sum": sum,
}


class Saturation(SliKind):
    """A measured value in slices of time; a slice is bad if its average breaks the bound."""

    row: ClassVar[Row] = Row(
        fields="query or resource, below or above, slice",
        counts="time slices",
        bad="slices whose average reaches or crosses the bound",
    )
    is_event_based: ClassVar[bool] = False

    query: Expression | None = Field(
        default=None,
        description=f"PromQL. {SELECTOR_HELP}",
    )
    resource: Literal["cpu", "memory", "disk-io"] | None = Field(
        default=None, description="A resource of the hosts; requires node_exporter."
    )
    below: Bound | None = Field(default=None, description="A slice is good below this value.")
    above: Bound | None = Field(default=None, description="A slice is good above this value.")
    slice: Slice = Decimal(60)

    @property
    def interval(self) -> Decimal:
        """Seconds of a slice."""
        return self.slice

    def problems(self, spec: Spec) -> Iterator[Problem]:
        """Yield contradictory fields, and faults of the query."""
        if (self.query is None) == (self.resource is None):
            yield (), "a saturation requires either query or resource"
        if (self.below is None) == (self.above is None):
            yield (), "a saturation requires either below or above"
        if self.resource is not None and self.below is not None and self.below > 1:
            message = f"{self.resource} is a share; write a percentage, such as 70%"
            yield ("below",), message
        if self.resource in ("cpu", "disk-io") and self.slice < _SHORTEST_COUNTED:
            yield ("slice",), f"{self.resource} requires a slice of at least 1m"
        if self.query is not None:
            yield from promql_problems(("query",), self.query, ("$selector",), spec)

    def measured(self, spec: Spec, readings: Readings) -> float | None:
        """Return the current value if the query reads one gauge of etter-obs, else None."""
        match = _ONE_GAUGE.match(self.query or "")
        metric = match and metric_by_suffix(match[2].removeprefix(f"{spec.metric_prefix}_"))
        if not match or metric is None or metric.kind is not MetricKind.GAUGE:
            return None
        values = [value for _, value in readings.values(metric)]
        return _AGGREGATES[match[1]](values) if values else None

    def is_bad(self, average: float) -> bool:
        """Return whether a slice with this average is bad."""
        if self.below is not None:
            return average >= self.below
        return average <= (self.above or 0)

    def expressions(self, spec: Spec, slo: Slo) -> SliExpressions:
        """Count all slices, and those whose average breaks the bound."""
        value = self.user_expressions(spec).get("query") or self._resource(spec)
        measured = recorded(Rule.SATURATION, spec, slo)
        bad = (
            f"{measured} >= {decimal_text(self.below)}"
            if self.below is not None
            else f"{measured} <= {decimal_text(self.above or Decimal(0))}"
        )
        # `>= -Inf` is true for every number and false for NaN.
        total = f"count({measured} >= -Inf)"
        return SliExpressions(total, or_zero(f"count({bad})", total), value=value)

    def user_expressions(self, spec: Spec) -> dict[str, str]:
        """Return the average of the user's query over a slice."""
        return {} if self.query is None else {"query": self._average(fill(self.query, spec))}

    def _average(self, query: str) -> str:
        window = f"{duration_text(self.slice)}:{duration_text(SCRAPE_INTERVAL)}"
        return f"avg_over_time(({query})[{window}])"

    def _resource(self, spec: Spec) -> str:
        def node(metric: str, *matchers: str) -> str:
            return series(metric, (equals(Label.JOB, Job.NODE), *matchers))

        window = duration_text(self.slice)
        anchored = spec.counting is Counting.ANCHORED
        counted = f"[{window}] anchored" if anchored else f"[{window}]"
        if self.resource == "cpu":
            idle = node(Node.CPU, equals("mode", "idle"))
            # `anchored` turns a host's first sample into a rate of 0, which reads as 100 % busy.
            known = f" and {idle} offset {window}" if anchored else ""
            return f"1 - avg(rate({idle}{counted}){known})"
        if self.resource == "memory":
            available = node(Node.MEMORY_AVAILABLE)
            return self._average(f"avg(1 - {available} / {node(Node.MEMORY_TOTAL)})")
        busy = node(Node.DISK_BUSY, matches_not("device", _DISKS))
        return f"avg(max by ({Label.INSTANCE}) (rate({busy}{counted})))"

    def synthetic_series(
        self, spec: Spec, slo: Slo, steps: Sequence[Step], seconds: Decimal
    ) -> Series:
        """Return the series of the resource or query, otherwise the recording of the value."""
        bound = self.below if self.below is not None else self.above or Decimal(1)
        good, bad = bound * Decimal("0.99"), bound * Decimal("1.01")
        if self.below is None:
            good, bad = bad, good
        runs = list(slices(steps, seconds, self.slice, good, bad))
        host = (equals(Label.JOB, Job.NODE), equals(Label.INSTANCE, "a"))
        if self.resource == "cpu":
            idle = [(1 - value, count) for value, count in runs]
            selector = series(Node.CPU, (*host, equals("cpu", "0"), equals("mode", "idle")))
            return {selector: integral(idle, seconds)}
        if self.resource == "disk-io":
            return {
                series(Node.DISK_BUSY, (*host, equals("device", "sda"))): integral(runs, seconds)
            }
        if self.resource == "memory":
            free = [((1 - value) * 1_000_000, count) for value, count in runs]
            whole = sum(count for _, count in runs)
            return {
                series(Node.MEMORY_AVAILABLE, host): gauge(free),
                series(Node.MEMORY_TOTAL, host): f"1000000x{whole}",
            }
        match = _ONE_GAUGE.match(self.query or "")
        if match is None:
            return {recorded(Rule.SATURATION, spec, slo): gauge(runs)}
        return {series(match[2], own(spec, (Label.INSTANCE, "a"))): gauge(runs)}
