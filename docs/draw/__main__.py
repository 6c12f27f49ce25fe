"""``python -m docs.draw --prometheus URL --loki URL``: pictures of all dashboards.

No Grafana is involved. Each panel's own queries are asked of the servers given, and drawn where the
dashboard's grid puts the panel; every picture says so.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib.figure import Figure
from PIL import Image

from docs.draw.drawing import Drawing
from docs.draw.panels import draw
from docs.draw.sources import Sources, seconds
from docs.draw.theme import THEMES, Theme
from etter_obs._internal.dashboards.lint.model import BoardView, PanelView
from etter_obs._internal.dashboards.lint.rendered_queries import fill, opening_values

ROOT = Path(__file__).parents[2]
_PIXELS_A_ROW, _WIDTH, _DPI, _HEAD = 34, 1440, 100, 46


def main() -> None:
    """Draw what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m docs.draw", description=__doc__)
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--loki", required=True, metavar="URL")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", metavar="DIR")
    parser.add_argument("--theme", choices=THEMES, default="dark")
    parser.add_argument("--span", help="time in view, 30m say (default: the dashboard's own)")
    parser.add_argument("--slo", help="objective of SLO detail (default: the first)")
    parser.add_argument("names", nargs="*", help="dashboards, slo-detail say (default: all)")
    given = parser.parse_args()
    sources = Sources.at(given.prometheus, given.loki)
    given.out.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
        if given.names and path.stem not in given.names:
            continue
        board = BoardView(str(path), json.loads(path.read_text(encoding="utf-8")))
        span = given.span or board.raw["time"]["from"].removeprefix("now-")
        values = opening_values(board) | {"__range": span}
        if given.slo:
            values["slo"] = given.slo
        file = given.out / f"{path.stem}.png"
        figure = _picture(board, Drawing(sources, values, seconds(span), THEMES[given.theme]))
        _save(figure, file, THEMES[given.theme])
        sys.stdout.write(f"{file}\n")


def _save(figure: Figure, file: Path, theme: Theme) -> None:
    """Write a PNG of 256 colours: a third of the size, and no difference to the eye."""
    buffer = io.BytesIO()
    figure.savefig(buffer, facecolor=theme.page)
    buffer.seek(0)
    few = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


def _picture(board: BoardView, drawing: Drawing) -> Figure:
    """Set every panel on the figure as the grid says; closed rows stay closed."""
    places = [*board.rows, *(panel for panel in board.panels if panel.loads)]
    rows = max(p.raw["gridPos"]["y"] + p.raw["gridPos"]["h"] for p in places)
    height = _HEAD + rows * _PIXELS_A_ROW
    figure = Figure(figsize=(_WIDTH / _DPI, height / _DPI), dpi=_DPI)
    theme = drawing.theme
    figure.text(0.012, 1 - 24 / height, board.title, fontsize=14, color=theme.text, weight="bold")
    figure.text(
        0.988,
        1 - 22 / height,
        "the dashboard's own queries, asked of a real Prometheus and Loki, drawn by Matplotlib; "
        "not a picture of Grafana",
        fontsize=7,
        color=theme.faint,
        ha="right",
    )
    for panel in places:
        _place(figure, panel, height, drawing)
    return figure


def _place(figure: Figure, panel: PanelView, height: int, drawing: Drawing) -> None:
    at = panel.raw["gridPos"]
    column = _WIDTH / 24
    left, top = at["x"] * column, _HEAD + at["y"] * _PIXELS_A_ROW
    width, tall = at["w"] * column, at["h"] * _PIXELS_A_ROW
    theme: Theme = drawing.theme
    if panel.kind == "row":
        sign = "▸" if panel.raw.get("collapsed") else "▾"
        figure.text(
            (left + 14) / _WIDTH,
            1 - (top + 22) / height,
            f"{sign} {fill(panel.title, drawing.values)}",
            fontsize=9.5,
            color=theme.text,
        )
        return
    figure.add_axes(
        (
            (left + 5) / _WIDTH,
            1 - (top + tall - 4) / height,
            (width - 10) / _WIDTH,
            (tall - 8) / height,
        ),
        facecolor=theme.panel,
        xticks=[],
        yticks=[],
    ).spines[:].set_color(theme.grid)
    graph = panel.kind in ("timeseries", "heatmap", "state-timeline")
    margin_left = (138 if panel.kind == "state-timeline" else 58) if graph else 14
    margin_bottom = 62 if panel.kind == "timeseries" else 26 if graph else 10
    draw(
        figure.add_axes(
            (
                (left + margin_left) / _WIDTH,
                1 - (top + tall - margin_bottom) / height,
                (width - margin_left - 18) / _WIDTH,
                (tall - margin_bottom - 30) / height,
            )
        ),
        panel,
        drawing,
    )


if __name__ == "__main__":
    main()
