"""Colours that readers with any colour vision can tell apart, on a dark and on a light background.

Fixed colours come from the palette, two of one panel differ for protanopes and deuteranopes too,
and series that take their colour from their value do so on a scale that needs no red and green.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any, Final

from etter_obs._internal.dashboards.lint.colour_vision import difference
from etter_obs._internal.dashboards.lint.finding import Finding, Known, at
from etter_obs._internal.dashboards.lint.model import BoardView, PanelView
from etter_obs._internal.dashboards.toolkit.palette import PALETTE

MIN_DIFFERENCE: Final = 15.0
"""Least CIE76 difference, under any colour vision; about 2.3 is just noticeable side by side."""
_SCHEMES: Final = frozenset({"thresholds", "fixed", "shades", "continuous-YlBl"})
_HEAT_SCHEMES: Final = frozenset({"Cividis", "Viridis"})
_HEX: Final = re.compile(r"^#[0-9A-Fa-f]{6}$")


def check(board: BoardView, known: Known) -> Iterator[Finding]:
    """Find colours outside the palette, and pairs that look alike."""
    for panel in board.panels:
        mode = panel.defaults.get("color", {}).get("mode", "thresholds")
        if panel.kind == "heatmap":
            scheme = panel.raw.get("options", {}).get("color", {}).get("scheme")
            if scheme not in _HEAT_SCHEMES:
                yield at(
                    board,
                    panel,
                    f"the colour scheme {scheme} is not readable with every colour vision",
                )
        elif mode not in _SCHEMES:
            yield at(
                board, panel, f"the colour mode {mode} is not readable with every colour vision"
            )
        colours = _colours(panel)
        for colour in sorted(colours - PALETTE):
            yield at(board, panel, f"the colour {colour} is not in the palette")
        for one, other in itertools.combinations(sorted(filter(_HEX.match, colours)), 2):
            if difference(one, other) < MIN_DIFFERENCE:
                yield at(board, panel, f"{one} and {other} look alike to some readers")


def _colours(panel: PanelView) -> set[str]:
    found = {str(step["color"]) for step in panel.steps if step.get("color")}
    for name, value in panel.overrides:
        if name == "color" and isinstance(value, dict) and value.get("fixedColor"):
            found.add(str(value["fixedColor"]))
    for mapping in panel.defaults.get("mappings") or ():
        found |= {str(c) for c in _mapped(mapping.get("options"))}
    return found


def _mapped(options: Any) -> Iterator[str]:
    if isinstance(options, dict):
        if isinstance(options.get("color"), str):
            yield options["color"]
        for value in options.values():
            yield from _mapped(value)
