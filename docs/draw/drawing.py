"""What every panel's drawing shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from docs.draw.sources import Points, Sources, seconds
from docs.draw.theme import Theme
from etter_obs._internal.dashboards.lint.model import PanelView, expression_of, source_of
from etter_obs._internal.dashboards.lint.rendered_queries import fill


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a panel needs to be drawn: data sources, variables, time range, colours."""

    sources: Sources
    values: dict[str, str]
    span: int
    theme: Theme

    def asked(self, panel: PanelView, target: dict[str, Any]) -> list[Points]:
        """Ask a query over the time in view."""
        return self.sources.over_time(
            source_of(panel, target),
            fill(expression_of(target), self.values),
            self.span_of(panel),
        )

    def span_of(self, panel: PanelView) -> int:
        """Return the seconds that the panel shows."""
        return seconds(panel.raw["timeFrom"]) if panel.raw.get("timeFrom") else self.span


def note(axes: Axes, text: str, theme: Theme) -> None:
    """Say why a panel is empty."""
    axes.set_axis_off()
    axes.text(
        0.5,
        0.5,
        text,
        ha="center",
        va="center",
        color=theme.faint,
        fontsize=8,
        transform=axes.transAxes,
    )
