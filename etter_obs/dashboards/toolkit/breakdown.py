"""What an SLO's bad events are made of: routes, kinds of statement, caches.

One panel serves whichever SLO is chosen. Its query is a union with one clause for each SLO; the
clause is kept only where ``$slo`` names it: two matchers on one label hold together only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs.conventions import (
    METRICS,
    REQUEST_DURATION,
    REQUESTS,
    STATUS_CLIENT_CLOSED,
    UNMATCHED,
    Label,
    Metric,
    Rule,
)
from etter_obs.dashboards.toolkit.promql import App, recorded
from etter_obs.text.promql import differs, equals, matches, matches_not, none_of, one_of
from etter_obs.text.units import le_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etter_obs.slo.spec.models import LatencySli, Ratio, Requests, Sli, Spec

PART_LABELS: Final = (Label.ENDPOINT, Label.QUERY_TYPE, Label.CACHE_KEY, Label.SLO)
"""By which bad events are told apart; a series carries one of them."""


def bad_by_part(spec: Spec) -> str:
    """Bad events per second of the chosen SLO, by its part."""
    app = App(spec.metric_prefix)
    clauses: list[str] = []
    undivided: list[str] = []
    for slo in spec.slos:
        bad = _bad(app, spec, slo.sli)
        if bad is None:
            undivided.append(slo.name)
        else:
            chosen = recorded(
                Rule.OBJECTIVE, equals(Label.SLO, "$slo"), equals(Label.SLO, slo.name)
            )
            clauses.append(f"({bad} and on () {chosen})")
    if undivided:
        whole = recorded(Rule.BAD_INCREASE, equals(Label.SLO, "$slo"), one_of(Label.SLO, undivided))
        clauses.append(f"max by ({Label.SLO}) (sum_over_time({whole}[5m])) / 300")
    return " or ".join(clauses)


def _bad(app: App, spec: Spec, sli: Sli) -> str | None:
    """Return what is bad by part, or None where the SLI has no parts."""
    if sli.requests is not None:
        return _requests(app, sli.requests)
    if sli.latency is not None:
        return _latency(app, sli.latency, spec.streaming_routes)
    if sli.ratio is not None:
        return _ratio(app, sli.ratio)
    return None


def _requests(app: App, sli: Requests) -> str:
    bad = sli.bad_status
    return app.rate(
        REQUESTS,
        matches(Label.STATUS, bad.replace("xx", ".."))
        if isinstance(bad, str)
        else one_of(Label.STATUS, map(str, bad)),
        *(differs(Label.STATUS, str(code)) for code in sli.without_status),
        *_of_routes(sli.routes),
        by=(Label.ENDPOINT,),
    )


def _latency(app: App, sli: LatencySli, streaming: Iterable[str]) -> str | None:
    metric = _ours(sli.metric)
    part = None if metric is None else _part(metric)
    if metric is None or part is None:
        return None
    matchers = _of_routes(sli.routes, streaming) if part is Label.ENDPOINT else []
    if metric is REQUEST_DURATION:
        matchers.append(matches_not(Label.STATUS_CLASS, f"5xx|{STATUS_CLIENT_CLOSED}"))
    everything = app.rate(metric, *matchers, by=(part,), part="_count")
    fast = equals("le", le_text(sli.threshold))
    return f"{everything} - {app.rate(metric, *matchers, fast, by=(part,), part='_bucket')}"


def _ratio(app: App, sli: Ratio) -> str | None:
    """Only a ratio that names what is bad, and by a label, has parts."""
    metric = _ours(sli.bad) if sli.bad is not None else None
    part = None if metric is None else _part(metric)
    return None if metric is None or part is None else app.rate(metric, by=(part,))


def _ours(suffix: str) -> Metric | None:
    return next((metric for metric in METRICS if metric.suffix == suffix), None)


def _part(metric: Metric) -> Label | None:
    return next((label for label in PART_LABELS if label in metric.labels), None)


def _of_routes(routes: Iterable[str], streaming: Iterable[str] = ()) -> list[str]:
    """Match the routes given, or every known one that does not stream.

    A route's own ``$`` stands as an escape: Grafana would look for a variable of that name.
    """
    if routes:
        matcher = one_of(Label.ENDPOINT, routes)
    else:
        matcher = none_of(Label.ENDPOINT, [UNMATCHED, *streaming])
    return [matcher.replace("$", r"\x24")]
