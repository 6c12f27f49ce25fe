"""What an SLO's bad events are made of: routes, kinds of statement, caches.

One panel serves whichever SLO is chosen. Its query is a union with one clause for each SLO; a
clause counts only where ``$slo`` names it: only then do two matchers on one label hold together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etter_obs._internal.conventions import Label, Rule
from etter_obs._internal.dashboards.toolkit.promql import App, recorded
from etter_obs._internal.text.promql import equals, one_of

if TYPE_CHECKING:
    from etter_obs._internal.slo.kinds.base import Breakdown
    from etter_obs._internal.slo.spec.models import Spec


def bad_by_part(spec: Spec) -> str:
    """Return the bad events per second of the chosen SLO, by its part."""
    app = App(spec.metric_prefix)
    clauses: list[str] = []
    undivided: list[str] = []
    for slo in spec.slos:
        breakdown = slo.sli.kind.breakdown(spec)
        if breakdown is None:
            undivided.append(slo.name)
        else:
            chosen = recorded(
                Rule.OBJECTIVE, equals(Label.SLO, "$slo"), equals(Label.SLO, slo.name)
            )
            clauses.append(f"({_bad(app, breakdown)} and on () {chosen})")
    if undivided:
        whole = recorded(Rule.BAD_INCREASE, equals(Label.SLO, "$slo"), one_of(Label.SLO, undivided))
        clauses.append(f"max by ({Label.SLO}) (sum_over_time({whole}[5m])) / 300")
    return " or ".join(clauses)


def _bad(app: App, parts: Breakdown) -> str:
    by = (parts.label,)
    # Grafana would look for a variable of that name.
    matchers = [matcher.replace("$", r"\x24") for matcher in parts.matchers]
    if parts.within is None:
        return app.rate(parts.metric, *matchers, by=by)
    everything = app.rate(parts.metric, *matchers, by=by, part="_count")
    within = app.rate(parts.metric, *matchers, parts.within, by=by, part="_bucket")
    return f"{everything} - {within}"
