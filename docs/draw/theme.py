"""The two backgrounds, and colours by meaning and by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.colors import LinearSegmentedColormap, to_rgb

BY_VALUE: Final = {
    "dark": LinearSegmentedColormap.from_list("", ["#FFF899", "#1F60C4"]),
    "light": LinearSegmentedColormap.from_list("", ["#FFEE52", "#1F60C4"]),
}
"""Grafana's continuous-YlBl, for series that take their colour from their value."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of what is no data."""

    name: str
    page: str
    panel: str
    text: str
    faint: str
    grid: str


THEMES: Final = {
    "dark": Theme("dark", "#111217", "#181B1F", "#CCCCDC", "#8E8E9B", "#2C3035"),
    "light": Theme("light", "#F4F5F5", "#FFFFFF", "#24292E", "#6E757C", "#E3E5E8"),
}


def colour_of(value: float, steps: Sequence[dict[str, Any]]) -> str:
    """Return the colour of the threshold step that ``value`` falls into."""
    colour = str(steps[0]["color"])
    for step in steps[1:]:
        if value >= step["value"]:
            colour = str(step["color"])
    return colour


def ink_on(colour: str) -> str:
    """Return black or white, whichever reads on ``colour``."""
    red, green, blue = to_rgb(colour)
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#FFFFFF"
