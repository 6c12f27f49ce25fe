"""The frame of a dashboard: variables, annotations, links, and the grid under its panels."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import DataSourceRef

from etter_obs._internal.conventions import Dashboard
from etter_obs._internal.dashboards.toolkit.panels import AnyPanel
from etter_obs._internal.dashboards.toolkit.queries import Source
from etter_obs._internal.text.yaml import GENERATED

TAG: Final = "etter-obs"
WIDTH: Final = 24

Variable: TypeAlias = builders.QueryVariable | builders.TextBoxVariable


@dataclass(frozen=True, slots=True)
class Line:
    """Panels side by side; ``widths`` in grid columns of 24, equal where not given."""

    panels: Sequence[AnyPanel]
    height: int
    widths: Sequence[int]


@dataclass(frozen=True, slots=True)
class Section:
    """A row's title and the lines of panels under it; collapsed, it asks nothing until opened."""

    title: str
    lines: Sequence[Line]
    collapsed: bool


def line(*panels: AnyPanel, height: int = 8, widths: Sequence[int] = ()) -> Line:
    """Set panels side by side."""
    count = len(panels)
    equal = [WIDTH * (i + 1) // count - WIDTH * i // count for i in range(count)]
    return Line(panels, height, widths or equal)


def section(title: str, *lines: Line, collapsed: bool = False) -> Section:
    """Put lines of panels under a title."""
    return Section(title, lines, collapsed)


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard as its module describes it.

    ``span`` is the time that it opens with, as Grafana writes it (``6h``).
    """

    which: Dashboard
    title: str
    purpose: str
    sections: Sequence[Section]
    variables: Sequence[Variable] = ()
    annotations: Sequence[builders.AnnotationQuery] = ()
    span: str = "6h"

    def json(self) -> str:
        """Return the dashboard as Grafana reads it: the same board gives the same bytes."""
        board = (
            builders.Dashboard(self.title)
            .uid(self.which)
            .description(f"{GENERATED} {self.purpose}")
            .tags([TAG])
            .readonly()
            .timezone("browser")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .time(f"now-{self.span}", "now")
            .refresh("30s" if self.span.endswith("h") else "5m")
            .link(
                builders.DashboardLink("All dashboards")
                .type(models.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(as_dropdown=True)
                .include_vars(include_vars=True)
                .keep_time(keep_time=True)
            )
        )
        panels = self._placed()
        sources = {source.type_val for source in _sources(panels)}
        for source in Source:
            if source.value in sources or source is Source.PROMETHEUS:
                board.with_variable(_source_variable(source))
        for variable in self.variables:
            board.with_variable(variable)
        for annotation in self.annotations:
            board.annotation(annotation)
        model = board.build()
        model.panels = panels
        return _text(model)

    def _placed(self) -> list[models.Panel | models.RowPanel]:
        """Build every panel, numbered and set on the grid from the top down."""
        numbers = itertools.count(1)
        built: list[models.Panel | models.RowPanel] = []
        top = 0
        for part in self.sections:
            at = models.GridPos(x=0, y=top, w=WIDTH, h=1)
            row = builders.Row(part.title).id(next(numbers)).grid_pos(at).collapsed(part.collapsed)
            panels: list[models.Panel] = []
            top += 1
            below = top
            for one in part.lines:
                left = 0
                for panel, width in zip(one.panels, one.widths, strict=True):
                    at = models.GridPos(x=left, y=top, w=width, h=one.height)
                    panels.append(panel.id(next(numbers)).grid_pos(at).build())
                    left += width
                top += one.height
            header = row.build()
            built.append(header)
            if part.collapsed:
                header.panels = panels
                top = below  # what follows moves down when somebody opens the row
            else:
                built += panels
        return built


def _sources(panels: Iterable[models.Panel | models.RowPanel]) -> Iterator[DataSourceRef]:
    for panel in panels:
        if isinstance(panel, models.RowPanel):
            yield from _sources(panel.panels)
        elif panel.datasource is not None:
            yield panel.datasource


def _source_variable(source: Source) -> builders.DatasourceVariable:
    return (
        builders.DatasourceVariable(source.value)
        .label(source.value.capitalize())
        .type(source.value)
        .hide(models.VariableHide.IN_CONTROLS_MENU)
    )


def _text(model: models.Dashboard) -> str:
    """Sorted JSON that says in its first line that it is generated."""
    plain = json.loads(json.dumps(model, cls=JSONEncoder), object_hook=_visible)
    description = json.dumps(plain.pop("description"), ensure_ascii=False)
    body = json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False)
    return f'{{ "description": {description},\n{body[2:]}\n'


def _visible(value: dict[str, object]) -> dict[str, object]:
    """Drop the SDK's default that hides links and annotations in a menu."""
    return {k: v for k, v in value.items() if (k, v) != ("placement", "inControlsMenu")}
