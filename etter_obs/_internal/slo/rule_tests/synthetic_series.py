"""Synthetic series: what an app would expose while events come and a share of them is bad.

One timeline serves every SLI kind, so that a rule can be tested, and an outage simulated, without
knowing what the SLI counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from etter_obs._internal.conventions import Label, Rule
from etter_obs._internal.slo.kinds.timeline import Series, Step, ramp
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.selectors import recorded
from etter_obs._internal.text.promql import equals

__all__ = ["Series", "Step", "input_series", "is_recorded", "noise", "without"]


def input_series(spec: Spec, slo: Slo, steps: Sequence[Step], step_seconds: Decimal) -> Series:
    """Return the series that ``slo``'s SLI reads, over ``steps``, sampled each ``step_seconds``.

    Where the SLI is PromQL of a shape for which no series are found, its base recordings are
    returned instead (one sample for each evaluation: evaluate as often as ``step_seconds``).

    Args:
        spec: the service.
        slo: the SLO.
        steps: the timeline of events.
        step_seconds: seconds between two samples.
    """
    found = slo.sli.kind.synthetic_series(spec, slo, steps, step_seconds)
    return found or _recorded(spec, slo, steps, step_seconds)


def is_recorded(spec: Spec, slo: Slo) -> bool:
    """Return whether ``input_series`` can give only recordings of ``slo``."""
    one = [Step(Decimal(60), Decimal(1), Decimal(0))]
    return any(
        selector.startswith("slo:") for selector in input_series(spec, slo, one, Decimal(60))
    )


def noise(spec: Spec, slo: Slo, steps: Sequence[Step], step_seconds: Decimal) -> Series:
    """Return series that must not count: other jobs, scanners, 499s, streams.

    Half of their events are bad, so that counting them alarms, and half good, so that counting
    those alone hides a fault. Slices have no half: all of theirs are bad.

    Args:
        spec: the service.
        slo: the SLO.
        steps: the timeline of events.
        step_seconds: seconds between two samples.
    """
    share = Decimal("0.5") if slo.is_event_based else Decimal(1)
    failing = [Step(step.seconds, Decimal(1000), share) for step in steps]
    other: Series = {}
    for selector, values in input_series(spec, slo, failing, step_seconds).items():
        if selector.startswith("slo:"):
            continue
        for own, name in ((Label.JOB, spec.service), (Label.ENVIRONMENT, spec.environment)):
            elsewhere = selector.replace(equals(own, name), equals(own, f"not-{name}"))
            if elsewhere != selector:
                other[elsewhere] = values
        for label, value in slo.sli.kind.uncounted(spec, selector):
            other[_relabelled(selector, label, value)] = values
    return other


def _relabelled(selector: str, label: str, value: str) -> str:
    replacement = equals(label, value)
    return re.sub(rf'\b{label}="[^"]*"', lambda _: replacement, selector)


def _recorded(spec: Spec, slo: Slo, steps: Sequence[Step], seconds: Decimal) -> Series:
    """Give the base recordings themselves."""

    def increases(share: str) -> str:
        parts = ["0"]
        for step in steps:
            part = Decimal(1) if share == "all" else step.bad
            parts.append(ramp(step.rate * seconds * part, Decimal(0), step.samples(seconds)))
        return " ".join(parts)

    return {
        recorded(Rule.TOTAL_INCREASE, spec, slo): increases("all"),
        recorded(Rule.BAD_INCREASE, spec, slo): increases("bad"),
    }


def without(series_: Mapping[str, str], *fragments: str) -> Series:
    """Return the series whose selector holds none of ``fragments``."""
    return {s: v for s, v in series_.items() if not any(part in s for part in fragments)}
