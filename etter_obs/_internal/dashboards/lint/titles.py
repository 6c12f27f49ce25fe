"""Every panel and every row has a title, and no two panels of a dashboard share one."""

from __future__ import annotations

from collections.abc import Iterator

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find panels that cannot be named."""
    seen: set[str] = set()
    for panel in (*board.rows, *board.panels):
        if not panel.raw.get("title"):
            yield at(board, panel, "it has no title")
    for panel in board.panels:
        if panel.title in seen:
            yield at(board, panel, "another panel of this dashboard has the same title")
        seen.add(panel.title)
