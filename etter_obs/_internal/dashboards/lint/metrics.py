"""No query without its metric: every name exists in the app, in the rules or in the stack."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView, expression_of, source_of
from etter_obs._internal.dashboards.toolkit.promql_names import metric_names
from etter_obs._internal.dashboards.toolkit.queries import Source


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find queries that ask for nothing, or for series that nobody exposes."""
    for panel in board.panels:
        if not panel.targets and panel.kind != "text":
            yield at(board, panel, "it has no query")
        for target in panel.targets:
            if not expression_of(target):
                yield at(board, panel, "a query is empty")
            elif source_of(panel, target) == Source.PROMETHEUS.value:
                for name in sorted(metric_names(expression_of(target)) - known.names):
                    near = difflib.get_close_matches(name, known.names, 1)
                    hint = f"; did you mean {near[0]}?" if near else ""
                    yield at(board, panel, f"no component exposes {name}{hint}")
