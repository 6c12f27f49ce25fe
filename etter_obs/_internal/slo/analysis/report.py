"""Reads from a Prometheus how each SLO did over its period: attainment, budget, days, routes.

The figures are sums of the base recordings, so they are exact where those are. Days are UTC days;
the oldest of them begins with the period's first midnight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from etter_obs._internal.conventions import Label, Rule
from etter_obs._internal.slo.prometheus.api import Prometheus, PrometheusError, Series
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.text.promql import equals, series

DAY: Final = 86400
WORST: Final = 3
"""How many days and routes are named."""


@dataclass(frozen=True, slots=True)
class Part:
    """A day or a route: its bad events, and the share of the period's whole budget they took."""

    name: str
    bad: float
    budget_spent: float


@dataclass(frozen=True, slots=True)
class SloReport:
    """One SLO over its period. Without events there is no attainment, and no budget is spent."""

    slo: Slo
    total: float
    bad: float
    worst_days: Sequence[Part]
    worst_routes: Sequence[Part]

    @property
    def attainment(self) -> float | None:
        """The share of good events, None where there were none at all."""
        return 1 - self.bad / self.total if self.total else None

    @property
    def budget_left(self) -> float:
        """The share of the budget that is left: 1 untouched, 0 spent, less than 0 overspent."""
        return 1 - _spent(self.bad, self.total, self.slo)


@dataclass(frozen=True, slots=True)
class Report:
    """All SLOs of a spec, in its order; ``missing`` are those Prometheus knows nothing about."""

    spec: Spec
    at: float
    slos: Sequence[SloReport]
    missing: Sequence[Slo]

    @property
    def spent(self) -> list[SloReport]:
        """Those SLOs that have no budget left."""
        return [report for report in self.slos if report.budget_left <= 0]


def build(spec: Spec, prometheus: Prometheus, at: float) -> Report:
    """Ask ``prometheus`` for the period that ends at ``at`` (Unix time, seconds).

    Args:
        spec: the service.
        prometheus: has the recordings.
        at: end of the period, Unix time in seconds.

    Raises:
        PrometheusError: it cannot be reached, refused a query, or knows none of the SLOs.
    """
    seconds = int(spec.period)
    totals = _by_slo(prometheus.instant(_sum(spec, Rule.TOTAL_INCREASE, seconds), at))
    bads = _by_slo(prometheus.instant(_sum(spec, Rule.BAD_INCREASE, seconds), at))
    known = [slo for slo in spec.slos if slo.name in totals and slo.name in bads]
    if not known:
        raise no_recordings(spec, prometheus)
    days = _days(spec, prometheus, at)
    reports = []
    for slo in known:
        total, bad = totals[slo.name].last, bads[slo.name].last

        def part(name: str, count: float, total: float = total, slo: Slo = slo) -> Part:
            return Part(name, count, _spent(count, total, slo))

        reports.append(
            SloReport(
                slo,
                total,
                bad,
                _worst([part(day, count) for day, count in days.get(slo.name, {}).items()]),
                _worst(
                    [
                        part(item.labels.get(Label.ENDPOINT, ""), item.last)
                        for item in _routes(spec, slo, prometheus, at)
                    ]
                ),
            )
        )
    return Report(spec, at, reports, [slo for slo in spec.slos if slo not in known])


def no_recordings(spec: Spec, prometheus: Prometheus) -> PrometheusError:
    """Return the error of a Prometheus that knows none of the SLOs."""
    return PrometheusError(
        f"{prometheus.url}: no recordings of service {spec.service!r} in environment "
        f"{spec.environment!r}; check that the generated rules are loaded and that the names "
        "match"
    )


def _spent(bad: float, total: float, slo: Slo) -> float:
    """The share of the period's budget, (1 - objective) x all events, that bad events took."""
    return bad / (total * float(slo.budget)) if total else 0.0


def _worst(parts: Sequence[Part]) -> list[Part]:
    return sorted((part for part in parts if part.bad > 0), key=lambda part: -part.bad)[:WORST]


def _sum(spec: Spec, rule: str, seconds: int) -> str:
    matchers = (
        equals(Label.SERVICE, spec.service),
        equals(Label.ENVIRONMENT, spec.environment),
    )
    return f"sum by ({Label.SLO}) (sum_over_time({series(rule, matchers)}[{seconds}s]))"


def _by_slo(answer: Sequence[Series]) -> dict[str, Series]:
    return {item.labels.get(Label.SLO, ""): item for item in answer}


def _days(spec: Spec, prometheus: Prometheus, at: float) -> dict[str, dict[str, float]]:
    """Bad events by SLO and UTC day; today is what there is of it."""
    midnight = int(at) // DAY * DAY
    first = int(at - float(spec.period)) // DAY * DAY + DAY
    found: dict[str, dict[str, float]] = {}
    if midnight > first:
        bad = _sum(spec, Rule.BAD_INCREASE, DAY)
        for item in prometheus.range(bad, first + DAY, midnight, DAY):
            found[item.labels.get(Label.SLO, "")] = {
                _date(end - DAY): count for end, count in item.values.items()
            }
    if at > midnight:
        today = _sum(spec, Rule.BAD_INCREASE, max(1, int(at) - midnight))
        for item in prometheus.instant(today, at):
            found.setdefault(item.labels.get(Label.SLO, ""), {})[_date(midnight)] = item.last
    return found


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _routes(spec: Spec, slo: Slo, prometheus: Prometheus, at: float) -> list[Series]:
    """Bad events by route, from the app's own series; none for an SLI that has no routes."""
    parts = slo.sli.kind.expressions(spec, slo)
    window = f"[{int(spec.period)}s]"

    def by_route(selector: str) -> str:
        return f"sum by ({Label.ENDPOINT}) (increase({selector}{window}))"

    if parts.failures is not None:
        bad = by_route(parts.failures)
    elif parts.histogram is not None and parts.has_routes:
        count, within = parts.histogram
        bad = f"{by_route(count)} - {by_route(within)}"
    else:
        return []
    return prometheus.instant(f"topk({WORST}, {bad} > 0)", at)
