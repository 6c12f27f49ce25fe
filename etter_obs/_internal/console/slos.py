"""Each SLO with its error budget since the start, its burn rate and what spends the budget."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from etter_obs._internal.slo.kinds.saturation import Saturation
from etter_obs._internal.slo.spec.policy import TIERS

if TYPE_CHECKING:
    from etter_obs._internal.slo.kinds.readings import Readings
    from etter_obs._internal.slo.spec.models import Slo, Spec

_MOST_PARTS: Final = 8
WINDOWS: Final = {"5m": 300.0, "1h": 3600.0}
"""Windows of the shown burn rates, in seconds: those of the fastest page."""


class Counted(NamedTuple):
    """Events of an SLO: all, the bad ones, and the bad ones by part."""

    total: float
    bad: float
    parts: Mapping[str, float]

    def since(self, earlier: Counted | None) -> Counted:
        """Return what came after ``earlier``."""
        if earlier is None:
            return self
        parts = {part: bad - earlier.parts.get(part, 0.0) for part, bad in self.parts.items()}
        return Counted(
            max(0.0, self.total - earlier.total), max(0.0, self.bad - earlier.bad), parts
        )


class Slices:
    """Counts the time slices of a saturation SLO, from the values that are read now and then."""

    def __init__(self, slo: Slo, kind: Saturation) -> None:
        self._kind = kind
        self._seconds = float(kind.slice)
        self._begun = time.monotonic()
        self._sum = self._values = 0.0
        self.name = slo.name
        self.total = self.bad = 0.0
        self.current: float | None = None
        """The newest value; None if the app does not measure it."""

    def read(self, spec: Spec, readings: Readings) -> None:
        """Read the current value, and end the slice if it is over."""
        self.current = self._kind.measured(spec, readings)
        if self.current is not None:
            self._sum += self.current
            self._values += 1
        if time.monotonic() - self._begun >= self._seconds:
            if self._values:
                self.total += 1
                self.bad += self._kind.is_bad(self._sum / self._values)
            self._begun, self._sum, self._values = time.monotonic(), 0.0, 0.0


def count(spec: Spec, readings: Readings, slices: Mapping[str, Slices]) -> dict[str, Counted]:
    """Return the events of every SLO that the app can count."""
    found: dict[str, Counted] = {}
    for slo in spec.slos:
        held = slices.get(slo.name)
        if held is not None:
            if held.current is not None:
                found[slo.name] = Counted(held.total, held.bad, {})
            continue
        events = slo.sli.kind.events(spec, readings)
        if events is None:
            continue
        total = bad = 0.0
        parts: defaultdict[str, float] = defaultdict(float)
        for event in events:
            total += event.total
            bad += event.bad
            if event.bad and event.part:
                parts[event.part] += event.bad
        found[slo.name] = Counted(total, bad, parts)
    return found


def burn_rate(slo: Slo, counted: Counted) -> float | None:
    """Return how many times faster than allowed the budget is spent; None without events.

    Source: Google's SRE workbook, "Alerting on SLOs": the share of bad events / (1 - objective).
    """
    return counted.bad / counted.total / float(slo.budget) if counted.total else None


def describe(
    slo: Slo,
    spec: Spec,
    since_start: Counted | None,
    windows: Mapping[str, Counted],
    current: float | None,
) -> dict[str, Any]:
    """Return an SLO as the page shows it.

    Args:
        slo: The SLO.
        spec: Its spec.
        since_start: Its events since the start; None if the app cannot count them.
        windows: Its events in each of ``WINDOWS``.
        current: The newest value of a saturation SLI.
    """
    shown: dict[str, Any] = {
        "name": slo.name,
        "description": slo.description,
        "objective": float(slo.objective),
        "kind": slo.sli.name,
        "unit": "events" if slo.is_event_based else "slices",
        "current": current,
        "counted": since_start is not None,
        "alerting": slo.alerting.mode,
        "page_at": float(TIERS[0].factor(spec.period)),
    }
    if since_start is None:
        return shown
    spent = burn_rate(slo, since_start)
    worst = sorted(since_start.parts.items(), key=lambda part: -part[1])[:_MOST_PARTS]
    return shown | {
        "total": since_start.total,
        "bad": since_start.bad,
        # Since the start: 1 is untouched, 0 is spent, below 0 is overspent.
        "budget_left": None if spent is None else 1 - spent,
        "burn": {name: burn_rate(slo, counted) for name, counted in windows.items()},
        "eaten_by": [{"part": part, "bad": bad} for part, bad in worst if bad > 0],
    }
