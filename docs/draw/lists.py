"""Draws panels that list: tables and log lines."""

from __future__ import annotations

import datetime
import math

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from docs.draw.drawing import Drawing, note
from docs.draw.theme import colour_of, ink_on
from docs.draw.units import shown
from etter_obs._internal.dashboards.lint.model import PanelView, expression_of
from etter_obs._internal.dashboards.lint.rendered_queries import fill


def table(axes: Axes, panel: PanelView, drawing: Drawing) -> None:
    """Draw rows, the worst first, as many as fit."""
    axes.set_axis_off()
    theme = drawing.theme
    organized = panel.raw["transformations"][-1]["options"]
    place_of, title_of = organized["indexByName"], organized["renameByName"]
    (key, key_title), *columns = [
        (name, title_of[name]) for name in sorted(place_of, key=place_of.get)
    ]
    settings = {
        str(override["matcher"]["options"]): {p["id"]: p["value"] for p in override["properties"]}
        for override in panel.raw["fieldConfig"]["overrides"]
    }
    rows: dict[str, dict[str, float]] = {}
    for target, (_, title) in zip(panel.targets, columns, strict=True):
        expr = fill(expression_of(target), drawing.values)
        for labels, value in drawing.sources.now_only(expr):
            rows.setdefault(labels.get(key, ""), {})[title] = value
    worst = panel.raw["options"]["sortBy"][0]
    ordered = sorted(
        rows.items(),
        key=lambda row: (
            math.isnan(row[1].get(worst["displayName"], math.nan)),
            row[1].get(worst["displayName"], math.inf) * (-1 if worst["desc"] else 1),
        ),
    )[: panel.raw["gridPos"]["h"] - 2]
    if not ordered:
        note(axes, "no data in this time", theme)
        return
    titles = [title for _, title in columns]
    cells = [
        [name[:44]]
        + [
            shown(
                row.get(title, math.nan), settings[title]["unit"], settings[title].get("decimals")
            )
            for title in titles
        ]
        for name, row in ordered
    ]
    width = 0.34
    tall = min(1.0, (len(cells) + 1) / (panel.raw["gridPos"]["h"] - 1))
    drawn = axes.table(
        cells,
        colLabels=[key_title, *titles],
        bbox=Bbox.from_bounds(0, 1 - tall, 1, tall),
        cellLoc="right",
        edges="horizontal",
        colWidths=[width] + [(1 - width) / len(titles)] * len(titles),
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(7.5)
    for (line, place), cell in drawn.get_celld().items():
        cell.set_edgecolor(theme.grid)
        cell.get_text().set_color(theme.faint if line == 0 else theme.text)
        if place == 0:
            cell.get_text().set_horizontalalignment("left")
        elif line > 0 and (limit := settings[titles[place - 1]].get("thresholds")):
            value = ordered[line - 1][1].get(titles[place - 1], math.nan)
            if math.isfinite(value):
                colour = colour_of(value, limit["steps"])
                cell.get_text().set_bbox({"facecolor": colour, "edgecolor": "none", "pad": 1.6})
                cell.get_text().set_color(ink_on(colour))


def log_lines(axes: Axes, panel: PanelView, drawing: Drawing) -> None:
    """Draw the newest lines, as many as fit."""
    axes.set_axis_off()
    expr = fill(expression_of(panel.targets[0]), drawing.values)
    fits = int(panel.raw["gridPos"]["h"] * 1.75) - 2
    lines = list(drawing.sources.log_lines(expr, drawing.span, fits))
    if not lines:
        note(axes, "no lines in this time", drawing.theme)
        return
    most = int(panel.raw["gridPos"]["w"] * 8.2)
    text = "\n".join(
        f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%H:%M:%S}  {line.splitlines()[0]}"[
            :most
        ]
        for at, line in lines
    )
    axes.text(
        0,
        1,
        text,
        ha="left",
        va="top",
        fontsize=6.3,
        family="monospace",
        color=drawing.theme.text,
        transform=axes.transAxes,
        linespacing=1.5,
    )
