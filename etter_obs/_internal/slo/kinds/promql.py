"""SLI kind ``promql``: the user's own rates of bad and all events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Label, Metric
from etter_obs._internal.slo.kinds.base import Row, SliExpressions, SliKind, fill, or_zero, own
from etter_obs._internal.slo.kinds.checks import Problem, promql_problems
from etter_obs._internal.slo.kinds.promql_rates import solved
from etter_obs._internal.slo.kinds.requests import UNHANDLED
from etter_obs._internal.slo.kinds.timeline import Series, Step, counter
from etter_obs._internal.slo.spec.fields import SELECTOR_HELP, Expression
from etter_obs._internal.slo.spec.policy import EVALUATION_INTERVAL
from etter_obs._internal.slo.spec.user_promql import placeholders, words

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Slo, Spec


class PromQL(SliKind):
    """Two PromQL queries over ``[$interval]``: the rates per second of bad and of all events."""

    row: ClassVar[Row] = Row(
        fields="bad, total",
        counts="rates per second over `[$interval]`",
        bad="what the `bad` query counts",
    )

    bad: Expression = Field(
        description=f"PromQL over [$interval]. {SELECTOR_HELP}",
        examples=['sum(rate(orders_total{$selector,state="lost"}[$interval]))'],
    )
    total: Expression = Field(
        description=f"PromQL over [$interval]. {SELECTOR_HELP}",
        examples=["sum(rate(orders_total{$selector}[$interval]))"],
    )

    def problems(self, spec: Spec) -> Iterator[Problem]:
        """Yield faults of either query."""
        for name, line in (("bad", self.bad), ("total", self.total)):
            yield from promql_problems((name,), line, ("$selector", "[$interval]"), spec)
            if "[$interval]" not in placeholders(line):
                yield (
                    (name,),
                    "it must use [$interval], for example rate(orders_total{$selector}[$interval])",
                )
            if "increase" in words(line):
                yield (name,), "it must be a rate per second; use rate(…) instead of increase(…)"

    def expressions(self, spec: Spec, slo: Slo) -> SliExpressions:
        """Count the events of both rates over an interval.

        Each side is summed to one series, whatever labels the user's PromQL keeps: sides with
        different labels do not match, and a full outage would have a ratio of 0.
        """
        sides = self.user_expressions(spec)
        total = f"sum({sides['total']})"
        return SliExpressions(total, or_zero(f"sum({sides['bad']})", total))

    def user_expressions(self, spec: Spec) -> dict[str, str]:
        """Return PromQL for the events per interval of each side."""
        sides = {"bad": self.bad, "total": self.total}
        return {
            name: f"({fill(line, spec)}) * {EVALUATION_INTERVAL}" for name, line in sides.items()
        }

    def synthetic_series(
        self, spec: Spec, slo: Slo, steps: Sequence[Step], seconds: Decimal
    ) -> Series:
        """Return series that produce the rates of both sides; empty if none are found."""
        found = solved(self.bad, self.total, own(spec, (Label.INSTANCE, "a")))
        return {selector: counter(steps, seconds, share) for selector, share in found.items()}

    def reads(self, metric: Metric) -> bool:
        """Return whether either side names ``metric``."""
        return metric.suffix in f"{self.bad} {self.total}"

    def failures(self) -> Iterator[int]:
        """Yield 500 if a side names the counter of requests."""
        if self.reads(conventions.REQUESTS):
            yield UNHANDLED
