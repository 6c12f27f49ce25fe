"""An invented month: the number of events, the bad ones among them, and the incidents.

Nights and weekends are quiet. Even the busiest hour has only a fraction of the demo's own load, so
that the demo's fault outweighs the history in the window of every alert, and still pages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from etter_obs._internal.slo.spec.models import Slo

_BUSIEST: Final = 6.0
"""Events per second on a weekday's afternoon."""
_WEEKEND: Final = 0.45
_EVERYDAY_BURN: Final = 0.15
"""Burn rate of an ordinary day: no service is free of errors."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident: ``bad`` is the share of bad events by the SLO's name.

    It began ``days_ago`` days before the month's last day, at ``hour`` (UTC), and lasted ``hours``.
    """

    what: str
    days_ago: int
    hour: float
    hours: float
    bad: Mapping[str, float]

    def share(self, slo: str, at: int, end: int) -> float:
        """Return the share of ``slo``'s events that were bad at ``at`` because of it."""
        midnight = datetime.fromtimestamp(end, UTC).replace(hour=0, minute=0, second=0)
        began = midnight - timedelta(days=self.days_ago) + timedelta(hours=self.hour)
        lasts = began.timestamp() <= at < began.timestamp() + self.hours * 3600
        return self.bad.get(slo, 0.0) if lasts else 0.0


INCIDENTS: Final = (
    Incident("a deployment that failed", 23, 14.0, 1 / 3, {"availability": 0.25}),
    Incident(
        "a slow morning: a missing index",
        12,
        7.5,
        3.5,
        {
            "latency-p50": 0.8,
            "latency-p95": 0.45,
            "latency-p99": 0.12,
            "db-latency-p95": 0.4,
            "db-pool-utilisation": 0.5,
            "cpu": 0.3,
        },
    ),
    Incident(
        "a cold cache after a restart",
        5,
        6.0,
        4.0,
        {"cache-hit-ratio": 0.9, "cache-eviction": 0.3, "db-latency-p95": 0.1},
    ),
)
"""More than three days ago, so that no window of an alert contains them."""


@dataclass(frozen=True, slots=True)
class Events:
    """All and bad events (or slices of time) of each step; ``load`` is 0 (idle) to 1 (busiest)."""

    total: Sequence[int]
    bad: Sequence[int]
    load: Sequence[float]


def events(slo: Slo, times: Sequence[int], step: int) -> Events:
    """Return what ``slo`` counts in the ``step`` seconds before each of ``times`` (Unix seconds).

    The same times give the same events. Every SLO that counts events counts one for each request.
    """
    load = [_load(at) for at in times]
    if slo.is_event_based:
        requests = Random(0)  # one sequence for all SLOs: the same requests
        total = [
            _whole(_BUSIEST * step * busy * requests.uniform(0.9, 1.1), requests) for busy in load
        ]
    else:
        total = [step // int(slo.sli.kind.interval)] * len(times)
    chance = Random(slo.name)
    everyday = _EVERYDAY_BURN * float(slo.budget)
    bad = []
    for at, busy, count in zip(times, load, total, strict=True):
        share = max(each.share(slo.name, at, times[-1]) for each in INCIDENTS)
        bad.append(_whole(count * max(share, everyday * (0.5 + busy)), chance))
    return Events(total, bad, load)


def _load(at: int) -> float:
    """The quietest hour is 3 o'clock, the busiest 15 (UTC)."""
    hour = at % 86400 / 3600
    day = 0.25 + 0.75 * (0.5 - 0.5 * math.cos((hour - 3) * math.pi / 12))
    is_weekend = datetime.fromtimestamp(at, UTC).weekday() >= 5
    return day * (_WEEKEND if is_weekend else 1.0)


def _whole(expected: float, chance: Random) -> int:
    """Round up or down by chance, so that the mean stays ``expected``."""
    return int(expected + chance.random())
