"""Draws one panel into its place, by its kind."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from typing import Any, Final

from matplotlib import dates as mpl_dates
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from docs.draw.drawing import Drawing, note
from docs.draw.lists import log_lines, table
from docs.draw.sources import Points, finite
from docs.draw.theme import BY_VALUE, colour_of, ink_on
from docs.draw.units import shown
from etter_obs._internal.dashboards.lint.model import PanelView, expression_of, source_of
from etter_obs._internal.dashboards.lint.rendered_queries import fill

_LABEL: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_LEGEND_LINES, _MOST_COLUMNS, _LONGEST_LEGEND = 2, 3, 38
_dates: Any = mpl_dates
"""Matplotlib types these functions in part only."""
_SMALL: Final = 7.0


def draw(axes: Axes, panel: PanelView, drawing: Drawing) -> None:
    """Draw ``panel`` with its title and frame."""
    theme = drawing.theme
    axes.set_facecolor(theme.panel)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(
        fill(panel.title, drawing.values),
        loc="left",
        fontsize=8.5,
        color=theme.text,
        pad=5,
        fontweight="bold",
    )
    axes.tick_params(colors=theme.faint, labelsize=_SMALL, length=0)
    kinds: dict[str, Callable[[Axes, PanelView, Drawing], None]] = {
        "stat": _stat,
        "timeseries": _lines,
        "table": table,
        "heatmap": _heat,
        "state-timeline": _states,
        "logs": log_lines,
    }
    if panel.targets and source_of(panel, panel.targets[0]) == "tempo":
        note(axes, "asked of Tempo, which does not run here", theme)
    else:
        kinds[panel.kind](axes, panel, drawing)


def _unit(panel: PanelView) -> str:
    return str(panel.defaults.get("unit", "none"))


def _name(legend: str, labels: dict[str, str]) -> str:
    return _LABEL.sub(lambda m: labels.get(m[1], ""), legend).strip() or "value"


def _stat(axes: Axes, panel: PanelView, drawing: Drawing) -> None:
    found = drawing.asked(panel, panel.targets[0])
    axes.set_xticks([])
    axes.set_yticks([])
    if not found or not finite(found[0].values):
        note(axes, "no data", drawing.theme)
        return
    points = found[0]
    value = finite(points.values)[-1]
    colour = colour_of(value, panel.steps)
    filled = panel.raw["options"]["colorMode"] == "background_solid"
    ink = ink_on(colour) if filled else drawing.theme.text
    if filled:
        axes.set_facecolor(colour)
    low, high = min(finite(points.values)), max(finite(points.values))
    if panel.raw["options"]["graphMode"] != "none":
        axes.plot(points.times, points.values, color=ink, linewidth=1, alpha=0.5)
    axes.set_ylim(low - 0.1 * (high - low or 1), high + 2.2 * (high - low or 1))
    axes.margins(x=0)
    text = shown(value, _unit(panel), panel.defaults.get("decimals"))
    axes.text(
        0.5,
        0.56,
        text,
        ha="center",
        va="center",
        fontsize=19,
        color=ink,
        transform=axes.transAxes,
        fontweight="bold",
    )


def _lines(axes: Axes, panel: PanelView, drawing: Drawing) -> None:
    unit, theme = _unit(panel), drawing.theme
    fixed = _fixed_colours(panel)
    stacked = panel.defaults["custom"].get("stacking", {}).get("mode") == "normal"
    found: list[tuple[str, str | None, Points]] = []
    for target in panel.targets:
        legend = str(target.get("legendFormat", ""))
        for points in drawing.asked(panel, target):
            name = _name(legend, points.labels)
            found.append((name, fixed.get(name) or fixed.get(target["refId"]), points))
    found = [one for one in found if finite(one[2].values)]
    if not found:
        note(axes, "no data in this time", theme)
        return
    highest = {id(points): max(finite(points.values)) for _, _, points in found}
    top = max(highest.values()) or 1.0
    scale = BY_VALUE[drawing.theme.name]
    base: dict[float, float] = {}
    for name, colour, points in found:
        chosen = colour or scale(highest[id(points)] / top)
        times = _at(points.times)
        values = [value if math.isfinite(value) else math.nan for value in points.values]
        if stacked:
            under = [base.get(at, 0.0) for at in points.times]
            values = [u + v for u, v in zip(under, values, strict=True)]
            tops = zip(points.times, values, strict=True)
            base |= {at: top for at, top in tops if math.isfinite(top)}
            axes.fill_between(
                times, under, values, color=chosen, alpha=0.7, linewidth=0, label=name
            )
        else:
            axes.plot(times, values, color=chosen, linewidth=1.3, label=name)
    axes.xaxis_date()
    _exemplars(axes, panel, drawing)
    _limits(axes, panel, top)
    _time_axis(axes, panel, drawing)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, unit)))
    axes.grid(color=theme.grid, linewidth=0.6)
    if "min" in panel.defaults:
        axes.set_ylim(bottom=panel.defaults["min"])
    handles, names = axes.get_legend_handles_labels()
    names = [name[:_LONGEST_LEGEND] for name in names]
    fitting = 11 * panel.raw["gridPos"]["w"] // (max(map(len, names)) + 8)  # in characters
    columns = max(1, min(_MOST_COLUMNS, fitting))
    axes.legend(
        handles[: _LEGEND_LINES * columns],
        names[: _LEGEND_LINES * columns],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.11),
        ncol=columns,
        fontsize=6.5,
        frameon=False,
        labelcolor=theme.text,
        handlelength=1.2,
        columnspacing=1.0,
    )


def _exemplars(axes: Axes, panel: PanelView, drawing: Drawing) -> None:
    """Mark the observations whose trace was kept."""
    for target in panel.targets:
        if target.get("exemplar"):
            expr = fill(expression_of(target), drawing.values)
            found = drawing.sources.exemplars(expr, drawing.span_of(panel))
            values = [value for _, value in found]
            axes.scatter(
                _at([at for at, _ in found]), values, s=9, marker="D", color="#CC79A7", zorder=3
            )


def _limits(axes: Axes, panel: PanelView, top: float) -> None:
    """Draw the thresholds that lie near the data, dashed in their colours."""
    if panel.defaults["custom"].get("thresholdsStyle", {}).get("mode") != "dashed":
        return
    floor = panel.steps[-1]["color"] == "#009E73"
    for below, step in zip(panel.steps, panel.steps[1:], strict=False):
        if step["value"] <= top * 3:
            colour = below["color"] if floor else step["color"]
            axes.axhline(step["value"], color=colour, linestyle="--", linewidth=1)


def _time_axis(axes: Axes, panel: PanelView, drawing: Drawing) -> None:
    end = drawing.sources.now
    axes.set_xlim(*_at([end - drawing.span_of(panel), end]))
    locator = _dates.AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(_dates.ConciseDateFormatter(locator, show_offset=False))


def _at(times: list[float]) -> Any:
    """Return Unix times as Matplotlib counts them."""
    return _dates.date2num([datetime.datetime.fromtimestamp(at, datetime.UTC) for at in times])


def _fixed_colours(panel: PanelView) -> dict[str, str]:
    """Return colours by series name or query letter."""
    found = {}
    for override in panel.raw.get("fieldConfig", {}).get("overrides", ()):
        for one in override["properties"]:
            if one["id"] == "color":
                found[str(override["matcher"]["options"])] = str(one["value"]["fixedColor"])
    return found


def _heat(axes: Axes, panel: PanelView, drawing: Drawing) -> None:
    found = drawing.asked(panel, panel.targets[0])
    found.sort(key=lambda points: float(points.labels["le"].replace("+Inf", "inf")))
    times = sorted({at for points in found for at in points.times})
    if not times:
        note(axes, "no data in this time", drawing.theme)
        return
    columns = [dict(zip(points.times, points.values, strict=True)) for points in found]
    cumulative = [[column.get(at, 0.0) for at in times] for column in columns]
    counts = [
        [max(0.0, value - (cumulative[i - 1][j] if i else 0.0)) for j, value in enumerate(row)]
        for i, row in enumerate(cumulative)
    ]
    peak = max(max(row) for row in counts) or 1.0
    shades = [[value / peak if value else math.nan for value in row] for row in counts]
    axes.pcolormesh(_at(times), range(len(found)), shades, cmap="cividis", shading="nearest")
    axes.xaxis_date()
    _time_axis(axes, panel, drawing)
    every = max(1, len(found) // 6)
    axes.set_yticks(range(0, len(found), every))
    axes.set_yticklabels(
        [shown(float(points.labels["le"].replace("+Inf", "inf")), "s") for points in found][::every]
    )


def _states(axes: Axes, panel: PanelView, drawing: Drawing) -> None:
    mapped = panel.defaults["mappings"][0]["options"]
    names: list[str] = []
    for target in panel.targets:
        for points in drawing.asked(panel, target):
            names.append(_name(str(target["legendFormat"]), points.labels))
            step = points.times[1] - points.times[0] if len(points.times) > 1 else 15.0
            for at, value in zip(points.times, points.values, strict=True):
                colour = mapped.get(f"{value:g}", {}).get("color", drawing.theme.faint)
                bar = [(_at([at])[0], step / 86400 * 1.05)]
                axes.broken_barh(bar, (len(names) - 1.38, 0.76), facecolors=colour)
    if not names:
        note(axes, "nothing to show in this time", drawing.theme)
        return
    axes.xaxis_date()
    _time_axis(axes, panel, drawing)
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels([name[:24] for name in names])
