"""A generated dashboard says so, and carries the id by which links find it."""

from __future__ import annotations

from collections.abc import Iterator

from etter_obs._internal.conventions import Dashboard
from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView
from etter_obs._internal.text.yaml import GENERATED


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find dashboards of ours that hide where they come from."""
    uid = board.raw.get("uid")
    if not uid:
        yield at(board, None, "it has no uid, so links to it break when it is moved")
    if uid in set(Dashboard) and not str(board.raw.get("description")).startswith(GENERATED):
        yield at(
            board, None, "its description does not begin with the line that says it is generated"
        )
