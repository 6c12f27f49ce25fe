"""Every legend reads: it is written, and the labels that it shows are in the query."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView, expression_of, source_of
from etter_obs._internal.dashboards.toolkit.promql_names import words
from etter_obs._internal.dashboards.toolkit.queries import Source

_LABEL: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ALWAYS_KEPT: Final = frozenset({"instance"})
"""Labels that a selector keeps without naming them."""


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find series that would be named by their whole label set, or not at all."""
    for panel in board.panels:
        if panel.kind == "logs":
            continue
        for target in panel.targets:
            if source_of(panel, target) == Source.TEMPO.value:
                continue
            legend = str(target.get("legendFormat") or "")
            if not legend or legend == "__auto":
                yield at(board, panel, "a query has no legend")
            for label in _LABEL.findall(legend):
                if label not in words(expression_of(target)) | _ALWAYS_KEPT:
                    yield at(board, panel, f"its legend shows {label}, which its query drops")
