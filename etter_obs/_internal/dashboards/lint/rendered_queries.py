"""Every query of a dashboard as a data source would get it: with its variables filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from etter_obs._internal.dashboards.lint.model import BoardView, expression_of, source_of

DEFAULTS: Final = {
    "__rate_interval": "1m",
    "__interval": "15s",
    "__range": "1h",
    "__auto": "1m",
}
"""What Grafana itself fills in for an hour at a scrape interval of 15 s."""
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)")
_LABEL_VALUES: Final = re.compile(r"label_values\((.+), (\w+)\)")


@dataclass(frozen=True, slots=True)
class Query:
    """One question of one panel; ``datasource`` is prometheus, loki or tempo."""

    dashboard: str
    panel: str
    datasource: str
    expr: str


def panel_queries(
    dashboard: Mapping[str, Any], values: Mapping[str, str] | None = None
) -> list[Query]:
    """Return every query of every panel, and of the annotations, with variables filled in.

    ``values`` says what variables hold; others hold what the dashboard opens with, and those of
    Grafana's own what they hold for an hour.
    """
    board = BoardView("", dict(dashboard))
    filled = opening_values(board) | dict(values or {})
    queries = [
        Query(
            board.title,
            panel.title,
            source_of(panel, target),
            fill(expression_of(target), filled),
        )
        for panel in board.panels
        for target in panel.targets
    ]
    queries += [
        Query(
            board.title,
            f"annotation {annotation['name']}",
            str(annotation.get("datasource", {}).get("type", "")),
            fill(str(annotation.get("expr", "")), filled),
        )
        for annotation in board.annotations
        if annotation.get("expr")
    ]
    return queries


def fill(expr: str, values: Mapping[str, str]) -> str:
    """Put values in the place of ``$name`` and ``${name}``; what has no value stays."""
    return _VARIABLE.sub(lambda m: values.get(m[1] or m[2], m[0]), expr)


def listed_by(variable: Mapping[str, Any], values: Mapping[str, str]) -> tuple[str, str]:
    """Return of which series, and of which label, a variable lists the values.

    ``values`` says what the variables hold that it builds on.

    Raises:
        ValueError: it is not asked for as ``label_values(series, label)``.
    """
    matched = _LABEL_VALUES.fullmatch(str(variable["query"]))
    if matched is None:
        raise ValueError(f"not label_values(series, label): {variable['query']}")
    return fill(matched[1], values), matched[2]


def opening_values(board: BoardView) -> dict[str, str]:
    """What variables hold when the dashboard is opened: its own and Grafana's."""
    held = dict(DEFAULTS)
    for name, variable in board.variables.items():
        value = variable.get("current", {}).get("value", "")
        held[name] = variable.get("allValue", ".*") if value == "$__all" else str(value)
    return held
