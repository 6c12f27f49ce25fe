"""The table of ``etter-obs slo check``: what can alert, how soon, and what that costs.

It is plain arithmetic on the policy; ``etter-obs slo simulate`` asks the real rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from rich.table import Table

from etter_obs._internal.slo.alerts.burn_rate import guard
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.policy import Severity
from etter_obs._internal.slo.spec.reachability import Reach, lowest, reaches
from etter_obs._internal.text.units import (
    decimal_text,
    percent_text,
    rounded_duration_text,
    rounded_percent_text,
)

SHARES: Final = (Decimal(1), Decimal("0.1"), Decimal("0.01"))
"""Shares of bad events that the table answers for: a full outage, one in ten, one in a hundred."""


def table(spec: Spec) -> Table:
    """Return the table of one service, a row for each SLO and tier."""
    result = Table(title=f"{spec.service} ({spec.environment})", title_justify="left")
    for heading in ("SLO", "tier", "fires above"):
        result.add_column(heading, no_wrap=True)
    for share in SHARES:
        result.add_column(f"at {percent_text(share)} bad:\nafter, budget gone", no_wrap=True)
    result.add_column("events needed:\nall bad – at the threshold", no_wrap=True)
    for slo in spec.slos:
        name = f"{slo.name} {percent_text(slo.objective)}"
        for reach in reaches(slo, spec.period):
            result.add_row(name, reach.tier.name, *_cells(spec, slo, reach))
            name = ""
        if slo.alerting.mode == "off":
            result.add_row(name, "alerting: off", *["-"] * (len(SHARES) + 2))
        result.add_section()
    return result


def _cells(spec: Spec, slo: Slo, reach: Reach) -> Iterator[str]:
    if not reach.reachable:
        yield "no alert"
        yield from ["-"] * (len(SHARES) + 1)
        return
    yield f"{percent_text(reach.threshold)} bad"
    for share in SHARES:
        seconds = reach.detection(share)
        gone = reach.budget_gone(share, slo.budget, spec.period)
        if seconds is None or gone is None:
            yield "never"
        else:
            yield f"{rounded_duration_text(seconds)}, {rounded_percent_text(gone)}"
    yield _guard(spec, slo, reach)


def _guard(spec: Spec, slo: Slo, reach: Reach) -> str:
    """Say how few events in the long window the guard keeps quiet, all bad or just over."""
    if not slo.is_event_based:
        return "-"
    events = guard(spec, slo)
    at_threshold = math.ceil(events / reach.threshold)
    return f"{decimal_text(events)} – {at_threshold} in {reach.tier.long_text}"


def remarks(specs: Sequence[Spec]) -> Iterator[str]:
    """Yield what the table does not say and its reader must know."""
    for spec in specs:
        for slo in spec.slos:
            reach = reaches(slo, spec.period)
            for gone in (one.tier for one in reach if not one.reachable):
                factor, needed = gone.factor(spec.period), lowest(gone, spec.period)
                yield (
                    f"{spec.service}/{slo.name}: {gone.name} has no alert: it fires at a burn rate "
                    f"above {decimal_text(factor)}, which an objective of "
                    f"{percent_text(slo.objective)} cannot reach; it requires an objective "
                    f"above {percent_text(needed)}"
                )
            pages = [one for one in reach if one.tier.severity is Severity.PAGE]
            if pages and not any(one.reachable for one in pages):
                yield (
                    f"{spec.service}/{slo.name}: no page can fire at an "
                    f"objective of {percent_text(slo.objective)}; it only opens tickets"
                )
    if specs[0].receivers.watchdog is None:
        yield "receivers.watchdog is missing, so nobody notices if the alert pipeline itself fails"
    longest = max(spec.period for spec in specs)
    if longest > 35 * 86400:
        yield (
            f"the period requires a retention of more than {decimal_text(longest / 86400)} days; "
            "set storage.tsdb.retention in prometheus.yml"
        )
    if any(spec.rule_form == "portable" for spec in specs):
        yield (
            "rule_form: portable counts 0.8 to 1.06 of the true events on uneven traffic; "
            "alerts fire up to 5 min later than shown, and the minimum of bad events is "
            "multiplied by 0.8"
        )
