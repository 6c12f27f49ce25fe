"""Queries of the recordings that `etter-obs generate` wrote."""

from __future__ import annotations

import time
from dataclasses import dataclass

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Label, Rule
from etter_obs._internal.slo.prometheus.api import Prometheus, Series

_REQUESTS = conventions.REQUESTS.name("etter")
_DURATION = conventions.REQUEST_DURATION.name("etter")
_ALLOWED = f"(1 - {Rule.OBJECTIVE})"


@dataclass(frozen=True, slots=True)
class SloState:
    """One SLO now: the share of its budget that is left, and its burn rate."""

    name: str
    objective: float
    budget: float | None = None
    burn_5m: float | None = None
    burn_1h: float | None = None


@dataclass(frozen=True, slots=True)
class Measurements:
    """What the live view shows. Rates are requests per second over the last minute."""

    requests: float | None
    errors: float | None
    slos: tuple[SloState, ...]


class DemoQueries:
    """The queries of the demo. Methods raise PrometheusError.

    Args:
        url: URL of Prometheus.
    """

    def __init__(self, url: str) -> None:
        self._prometheus = Prometheus(url, timeout=5)

    def sees_the_app(self) -> bool:
        """Whether the app has been scraped recently."""
        return bool(self._sum(f'sum(up{{{Label.JOB}="etter"}})'))

    def measure(self) -> Measurements:
        """Query everything that the view shows."""
        requests = self._sum(f"sum(rate({_REQUESTS}[1m]))")
        errors = self._sum(f'sum(rate({_REQUESTS}{{{Label.STATUS}=~"5.."}}[1m]))')
        objectives = self._by_slo(Rule.OBJECTIVE)
        total, bad = (
            f"sum_over_time({name}[30d])" for name in (Rule.TOTAL_INCREASE, Rule.BAD_INCREASE)
        )
        # Not the recorded budget: that is evaluated every five minutes, too seldom to watch.
        budgets = self._by_slo(f"1 - ({bad} / ({total} > 0)) / {_ALLOWED}")
        fast = self._by_slo(f"{Rule.bad_ratio('5m')} / {_ALLOWED}")
        slow = self._by_slo(f"{Rule.bad_ratio('1h')} / {_ALLOWED}")
        return Measurements(
            requests,
            errors if errors is not None or requests is None else 0.0,
            tuple(
                SloState(name, objective, budgets.get(name), fast.get(name), slow.get(name))
                for name, objective in sorted(objectives.items())
            ),
        )

    def failed_traces(self, limit: int = 3) -> list[str]:
        """Return the trace ids of the newest failed requests, from exemplars."""
        now = time.time()
        failed = f'{_DURATION}_bucket{{{Label.STATUS_CLASS}="5xx"}}'
        exemplars = self._prometheus.exemplars(failed, now - 1_800, now)
        exemplars.sort(key=lambda each: each.at, reverse=True)
        ids = (each.labels.get("trace_id") for each in exemplars)
        return list(dict.fromkeys(trace_id for trace_id in ids if trace_id))[:limit]

    def _vector(self, expression: str) -> list[Series]:
        return self._prometheus.instant(expression, time.time())

    def _sum(self, expression: str) -> float | None:
        return next((series.last for series in self._vector(expression)), None)

    def _by_slo(self, expression: str) -> dict[str, float]:
        return {series.labels[Label.SLO]: series.last for series in self._vector(expression)}
