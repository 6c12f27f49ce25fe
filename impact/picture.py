"""Draws ``docs/pictures/impact.png``: promised range and measured interval of each claim."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from impact.claims import CLAIMS, Claim, Kind
from impact.estimates import NEUTRAL, Estimate, Outcome, estimate, outcome
from impact.page import number
from impact.results import Results

_COLOURS: Final = {
    Outcome.REPRODUCED: "#0072B2",
    Outcome.MORE: "#009E73",
    Outcome.LESS: "#E69F00",
    Outcome.NOTHING: "#999999",
    Outcome.OPPOSITE: "#D55E00",
    Outcome.NOT_KEPT: "#D55E00",
}
_PERCENT: Final = ("less", "more", "level")


def draw(results: Results, path: Path) -> None:
    """Draw the claims in two panels: those in per cent, and those in times.

    Args:
        results: of a run.
        path: where the PNG goes.
    """
    made = [(claim, found) for claim in CLAIMS if (found := estimate(claim, results)) is not None]
    percent = [row for row in made if row[0].kind in _PERCENT]
    times = [row for row in made if row[0].kind not in _PERCENT]
    figure = Figure(figsize=(10.5, 0.52 * len(made) + 2.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=[len(percent), len(times)])
    _panel(upper, percent, 100.0)
    upper.xaxis.set_major_formatter("{x:.0f}%")
    _panel(lower, times, 1.0)
    lower.set_xscale("log")
    ticks = (0.5, 1, 2, 3, 5, 10, 20)
    lower.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    lower.minorticks_off()
    seen = dict.fromkeys(outcome(claim, found) for claim, found in made)
    handles: list[Patch | Line2D] = [Patch(color="#CFE3F1", label="promised")]
    handles += [
        Line2D([], [], color=_COLOURS[each], marker="o", label=f"measured: {each}") for each in seen
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)


def _panel(axes: Axes, rows: list[tuple[Claim, Estimate]], factor: float) -> None:
    for place, (claim, found) in enumerate(reversed(rows)):
        if claim.promised is not None:
            low, high = (end * factor for end in claim.promised)
            axes.barh(place, high - low, left=low, height=0.55, color="#CFE3F1")
        low, high = (end * factor for end in found.interval)
        value = found.value * factor
        colour = _COLOURS[outcome(claim, found)]
        axes.errorbar(
            value,
            place,
            xerr=[[max(value - low, 0)], [max(high - value, 0)]],
            fmt="o",
            color=colour,
            capsize=4,
        )
        axes.annotate(
            number(claim.kind, found.value),
            (value, place),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=colour,
        )
    axes.set_yticks(range(len(rows)), [claim.text for claim, _ in reversed(rows)], fontsize=9)
    kinds: set[Kind] = {claim.kind for claim, _ in rows}
    for neutral in {NEUTRAL[kind] for kind in kinds}:
        if neutral is None:
            continue
        axes.axvline(neutral * factor, color="#8E8E9B", linewidth=0.8, linestyle=":")
    axes.grid(axis="x", color="#E3E5E8")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
