"""A dashboard asks few questions when it opens: at most thirty, those of its frame included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView

MAX_QUERIES: Final = 30


def at_load(board: BoardView) -> int:
    """Count the queries that opening the dashboard sends: panels, annotations, variables."""
    panels = sum(len(panel.targets) for panel in board.panels if panel.loads)
    variables = sum(bool(one.get("type") == "query") for one in board.variables.values())
    annotations = sum(bool(one.get("enable")) for one in board.annotations)
    return panels + variables + annotations


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find dashboards that ask too much at once."""
    count = at_load(board)
    if count > MAX_QUERIES:
        yield at(
            board,
            None,
            f"it runs {count} queries when it opens, the limit is {MAX_QUERIES}; collapse a row",
        )
