"""Colours that readers with any colour vision can tell apart.

The palette is Okabe and Ito's ("Color Universal Design", 2008) without its yellow, which fades on
a light background, and without black, which fades on a dark one. Meaning has a fixed colour: what
holds is blue-green, what needs a look is orange, what is broken is vermilion.
"""

from __future__ import annotations

from typing import Final

BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
GREY: Final = "#666666"

GOOD: Final = GREEN
WARN: Final = ORANGE
BAD: Final = VERMILION

PALETTE: Final[frozenset[str]] = frozenset({BLUE, SKY, GREEN, ORANGE, VERMILION, PURPLE, GREY})

SEQUENCE: Final[tuple[str, ...]] = (BLUE, ORANGE, SKY, VERMILION, GREEN, PURPLE, GREY)
"""The order in which series take their colours; neighbours differ most."""
