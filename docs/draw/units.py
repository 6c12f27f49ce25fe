"""Numbers as Grafana shows them, for the units in use."""

from __future__ import annotations

import math
from typing import Final

_DURATIONS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES: Final = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
_COUNTS: Final = ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"), (1, ""))
_PER_SECOND: Final = {"reqps": " req/s", "cps": "/s", "ops": " ops/s", "rowsps": " rows/s"}


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    """Write a value in its unit, short enough for an axis."""
    if not math.isfinite(value):
        return "–"
    if unit == "percentunit":
        return f"{_short(value * 100, decimals)}%"
    if unit == "s":
        return _scaled(value, _DURATIONS, decimals)
    if unit in ("bytes", "Bps"):
        return _scaled(value, _BYTES, decimals) + ("/s" if unit == "Bps" else "")
    return _scaled(value, _COUNTS, decimals) + _PER_SECOND.get(unit, "")


def _scaled(value: float, scale: tuple[tuple[float, str], ...], decimals: int | None) -> str:
    if value == 0:
        return f"0{scale[-1][1] if scale is _BYTES else ''}"
    size, name = next((one for one in scale if abs(value) >= one[0]), scale[-1])
    return f"{_short(value / size, decimals)}{name}"


def _short(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{round(value, decimals) + 0.0:.{decimals}f}"  # 0, and not -0
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
