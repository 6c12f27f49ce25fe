"""Every panel says what it shows, and what to do when it is red or looks wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView
from etter_obs._internal.dashboards.toolkit.palette import BAD
from etter_obs._internal.dashboards.toolkit.panel_docs import WHEN_ODD, WHEN_RED

_MIN_ADVICE: Final = 25
"""Characters of advice under which there is none."""


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find panels that leave their reader alone."""
    for panel in board.panels:
        text = str(panel.raw.get("description") or "")
        can_be_red = any(step.get("color") == BAD for step in panel.steps)
        phrase = WHEN_RED if can_be_red else WHEN_ODD
        shows, found, advice = text.partition(phrase)
        if not found:
            yield at(board, panel, f"its description does not say what to do: “{phrase} …”")
        elif len(shows.strip()) < _MIN_ADVICE or len(advice.strip()) < _MIN_ADVICE:
            yield at(board, panel, "its description does not say what it shows and what to do")
