"""No two panels overlap, and none leaves the grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView, PanelView

_WIDTH: Final = 24


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find panels that hide each other."""
    for panel in (*board.rows, *board.panels):
        left, top, right, bottom = _corners(panel)
        if not 0 <= left < right <= _WIDTH or not 0 <= top < bottom:
            yield at(
                board, panel, f"it is outside the grid: x {left} to {right}, y {top} to {bottom}"
            )
    for together in _visible_together(board):
        for one, other in itertools.combinations(together, 2):
            a, b = _corners(one), _corners(other)
            if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]:
                yield at(board, one, f"it overlaps “{other.title}”")


def _visible_together(board: BoardView) -> Iterator[list[PanelView]]:
    """Yield what opens with the dashboard, and each closed row's panels: opening one makes room."""
    yield [*board.rows, *(panel for panel in board.panels if panel.loads)]
    for row in board.rows:
        yield [PanelView(panel) for panel in row.raw.get("panels") or ()]


def _corners(panel: PanelView) -> tuple[int, int, int, int]:
    at_ = panel.raw.get("gridPos") or {}
    left, top = int(at_.get("x", 0)), int(at_.get("y", 0))
    return left, top, left + int(at_.get("w", 0)), top + int(at_.get("h", 0))
