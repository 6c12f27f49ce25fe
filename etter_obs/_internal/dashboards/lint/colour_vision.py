"""How different two colours look, to readers with and without full colour vision.

Dichromacy is simulated after Viénot, Brettel and Mollon ("Digital video colourmaps for checking
the legibility of displays by dichromats", 1999); distance is CIE76 in CIELAB under D65.
"""

from __future__ import annotations

import math
from typing import Final

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]

_IDENTITY: Final[Matrix] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_PROTANOPIA: Final[Matrix] = (
    (0.11238, 0.88762, 0.0),
    (0.11238, 0.88762, 0.0),
    (0.00401, -0.00401, 1.0),
)
_DEUTERANOPIA: Final[Matrix] = (
    (0.29275, 0.70725, 0.0),
    (0.29275, 0.70725, 0.0),
    (-0.02234, 0.02234, 1.0),
)
_TO_XYZ: Final[Matrix] = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_WHITE: Final[Triple] = (0.95047, 1.0, 1.08883)


def difference(one: str, other: str) -> float:
    """Return the least distance of two ``#RRGGBB`` colours under normal and dichromatic vision."""
    return min(
        math.dist(_lab(one, eye), _lab(other, eye))
        for eye in (_IDENTITY, _PROTANOPIA, _DEUTERANOPIA)
    )


def _lab(colour: str, eye: Matrix) -> Triple:
    linear = [_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5)]
    seen = [min(1.0, max(0.0, value)) for value in _times(eye, linear)]
    x, y, z = (_root(v / w) for v, w in zip(_times(_TO_XYZ, seen), _WHITE, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _times(matrix: Matrix, vector: list[float]) -> list[float]:
    return [sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix]


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _root(value: float) -> float:
    return float(value ** (1 / 3)) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116
