"""Rates go over Grafana's own interval: never shorter than four scrapes, right at any zoom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView, expression_of, source_of
from etter_obs._internal.dashboards.toolkit.logql import AUTO
from etter_obs._internal.dashboards.toolkit.promql import INTERVAL, RANGE
from etter_obs._internal.dashboards.toolkit.promql_names import ranges
from etter_obs._internal.dashboards.toolkit.queries import Source

_RATES: Final = frozenset({"rate", "irate", "increase", "delta", "idelta", "deriv", "changes"})
_TAKEN: Final = {Source.PROMETHEUS.value: (INTERVAL, RANGE), Source.LOKI.value: (AUTO, RANGE)}


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find rates over a fixed range."""
    for panel in board.panels:
        for target in panel.targets:
            taken = _TAKEN.get(source_of(panel, target), ())
            for function, over in ranges(expression_of(target)):
                if taken and function in _RATES and over not in taken:
                    yield at(board, panel, f"{function} uses [{over}]; use [{taken[0]}]")
