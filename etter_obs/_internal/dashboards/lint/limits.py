"""A target of slo.yaml has its line: a panel of what an SLO bounds draws the SLO's bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Metric
from etter_obs._internal.conventions.external import Node
from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView, PanelView, expression_of
from etter_obs._internal.dashboards.toolkit import thresholds
from etter_obs._internal.dashboards.toolkit.panel_docs import Limit
from etter_obs._internal.dashboards.toolkit.promql_names import metric_names

_SHARE: Final = "percentunit"


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find panels that show a bounded value without its bound."""
    for panel in board.panels:
        drawn = {step.get("value") for step in panel.steps}
        for what, limit in _expected(panel, known):
            if limit is not None and limit.bad not in drawn:
                yield at(
                    board, panel, f"it shows {what} without the target of slo.yaml, {limit.bad:g}"
                )


def _expected(panel: PanelView, known: Known) -> Iterator[tuple[str, Limit | None]]:
    asked = [expression_of(target) for target in panel.targets]
    names = set[str]().union(*map(metric_names, asked))
    units = {panel.defaults.get("unit"), *(v for name, v in panel.overrides if name == "unit")}
    prefix, spec = known.spec.metric_prefix, known.spec
    for metric in (conventions.REQUEST_DURATION, conventions.DB_QUERY_DURATION):
        # Of several quantiles in one panel the highest has the line.
        buckets = f"{metric.name(prefix)}_bucket"
        shown = [
            q
            for q in thresholds.quantiles(spec, metric)
            if any(f"histogram_quantile({q:g}," in e and buckets in metric_names(e) for e in asked)
        ]
        if shown:
            yield f"p{max(shown) * 100:g}", thresholds.quantile(spec, metric, max(shown))
    if _SHARE not in units:
        return
    shares: tuple[tuple[Metric, Callable[[], Limit | None]], ...] = (
        (conventions.CACHE_HITS, lambda: thresholds.ratio(spec, conventions.CACHE_HITS)),
        (conventions.CACHE_EVICTED, lambda: thresholds.ratio(spec, conventions.CACHE_EVICTED)),
        (
            conventions.DB_POOL_UTILISATION,
            lambda: thresholds.bound(spec, conventions.DB_POOL_UTILISATION),
        ),
    )
    for metric, limit in shares:
        if metric.name(prefix) in names:
            yield metric.suffix, limit()
    if any('status=~"5.."' in e for e in asked if conventions.REQUESTS.name(prefix) in e):
        yield "the share of 5xx", thresholds.bad_status(spec, "5xx")
    for name, resource in (
        (Node.CPU, "cpu"),
        (Node.MEMORY_TOTAL, "memory"),
        (Node.DISK_BUSY, "disk-io"),
    ):
        if name in names:
            yield resource, thresholds.resource(spec, resource)
