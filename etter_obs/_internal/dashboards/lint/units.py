"""Every panel has a unit: a bare number is a riddle."""

from __future__ import annotations

from collections.abc import Iterator

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find panels without a unit."""
    for panel in board.panels:
        if not panel.defaults.get("unit"):
            yield at(board, panel, "it has no unit; use “none” for plain counts")
