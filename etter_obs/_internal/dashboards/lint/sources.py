"""Every query names its data source by a variable, so that a dashboard works in any Grafana."""

from __future__ import annotations

from collections.abc import Iterator

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView
from etter_obs._internal.dashboards.toolkit.queries import Source


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find data sources that are fixed, missing, or whose variable is missing."""
    by_variable = {f"${{{source.value}}}": source.value for source in Source}
    for panel in board.panels:
        for holder in (panel.raw, *panel.targets):
            reference = holder.get("datasource") or {}
            variable = by_variable.get(str(reference.get("uid")))
            if variable is None or reference.get("type") != variable:
                yield at(
                    board,
                    panel,
                    f"its data source is {reference or 'missing'}; it takes a "
                    f"variable: {', '.join(by_variable)}",
                )
            elif variable not in board.variables:
                yield at(board, panel, f"the variable {variable} is not declared")
