"""Where durations of requests, statements and calls are drawn as lines, exemplars are on.

An exemplar is the click from a slow moment to a trace of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from etter_obs._internal.conventions import CLIENT_DURATION, DB_QUERY_DURATION, REQUEST_DURATION
from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView, expression_of
from etter_obs._internal.dashboards.toolkit.promql_names import metric_names


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find panels that draw such durations without a way to a trace."""
    prefix = known.spec.metric_prefix
    traced = {
        f"{metric.name(prefix)}_bucket"
        for metric in (REQUEST_DURATION, DB_QUERY_DURATION, CLIENT_DURATION)
    }
    for panel in board.panels:
        if panel.kind != "timeseries":
            continue
        asking = [t for t in panel.targets if metric_names(expression_of(t)) & traced]
        drawn = [t for t in asking if "histogram_quantile" in expression_of(t)]
        if drawn and not any(target.get("exemplar") for target in drawn):
            yield at(board, panel, "it draws durations that have exemplars, but does not show them")
