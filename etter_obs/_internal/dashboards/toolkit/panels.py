"""The kinds of panel in use: each takes what it says (``About``) and what it asks."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Final, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    heatmap,
    logs,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from etter_obs._internal.dashboards.toolkit.links import Link
from etter_obs._internal.dashboards.toolkit.palette import BLUE, GREY, SEQUENCE
from etter_obs._internal.dashboards.toolkit.panel_docs import About
from etter_obs._internal.dashboards.toolkit.queries import Query, Series, Source

AnyPanel: TypeAlias = (
    timeseries.Panel | stat.Panel | table.Panel | heatmap.Panel | statetimeline.Panel | logs.Panel
)
P = TypeVar(
    "P",
    timeseries.Panel,
    stat.Panel,
    table.Panel,
    heatmap.Panel,
    statetimeline.Panel,
    logs.Panel,
)

_BY_VALUE: Final = models.FieldColorModeId.CONTINUOUS_YL_BL
"""Yellow to blue: series differ for any colour vision, and no colour alone looks alarming."""


def lines(
    about: About,
    *series: Series,
    stacked: bool = False,
    names: Mapping[str, str] | None = None,
    maximum: float | None = None,
    minimum: float | None = 0,
    time_from: str | None = None,
    click: Link | None = None,
) -> timeseries.Panel:
    """Values over time. ``names`` gives series of a splitting query their own colours.

    ``time_from`` (``30d``) shows that much time whatever the dashboard's range is; ``click`` is
    where a click on a series leads, with ``${__field.labels.…}`` for what it is.

    Args:
        about: title, description and limit.
        series: queries and how their answers read.
        stacked: stack the series.
        names: names of the series in the legend.
        maximum: upper end of the axis, in the unit of the panel.
        minimum: lower end of the axis.
        time_from: time range of its own, such as ``30d``.
        click: link of a series.
    """
    panel = common_parts(timeseries.Panel(), about)
    panel.legend(_legend()).tooltip(
        common.VizTooltipOptions()
        .mode(common_models.TooltipDisplayMode.MULTI)
        .sort(common_models.SortOrder.DESCENDING)
    )
    # Stacked, a line would be drawn in the colour of whichever series is zero there.
    panel.line_width(0 if stacked else 2).fill_opacity(70 if stacked else 0)
    panel.show_points(common_models.VisibilityMode.NEVER)
    if minimum is not None:
        panel.min(minimum)
    if maximum is not None:
        panel.max(maximum)
    if click is not None:
        panel.data_links([click.build()])
    if time_from is not None:
        panel.time_from(time_from)
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    if about.limit is not None:
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        )
    if any(one.splits for one in series):
        panel.color_scheme(
            dashboard.FieldColor().mode(_BY_VALUE).series_by(models.FieldColorSeriesByMode.MAX)
        )
    free = iter(SEQUENCE)
    for ref, one in zip(string.ascii_uppercase, series, strict=False):
        panel.with_target(one.query(ref))
        if not one.splits:
            panel.override_by_query(ref, [_fixed(one.color or next(free))])
    for name, color in (names or {}).items():
        panel.override_by_name(name, [_fixed(color)])
    return panel


def single(about: About, expr: str, *, decimals: int | None = None) -> stat.Panel:
    """One number, with its course behind it; coloured whole where it has a limit.

    Args:
        about: title, description and limit.
        expr: PromQL with one series.
        decimals: digits after the point.
    """
    return _number(about, Series(expr, about.title).query("A"), decimals, course=True)


def now(about: About, expr: str, *, decimals: int | None = None) -> stat.Panel:
    """One number as it is now, however wide the view.

    With a course it would be that of the last full step: minutes ago in a view of a day.

    Args:
        about: title, description and limit.
        expr: PromQL with one series, evaluated at the end of the time range.
        decimals: digits after the point.
    """
    return _number(about, Series(expr, about.title).instant("A"), decimals, course=False)


def _number(about: About, query: Query, decimals: int | None, *, course: bool) -> stat.Panel:
    panel = common_parts(stat.Panel(), about)
    panel.color_mode(
        common_models.BigValueColorMode.BACKGROUND_SOLID
        if about.limit
        else common_models.BigValueColorMode.NONE
    )
    graph = common_models.BigValueGraphMode
    panel.graph_mode(graph.AREA if course else graph.NONE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
    if decimals is not None:
        panel.decimals(decimals)
    return panel.with_target(query)


def heat(about: About, buckets: str) -> heatmap.Panel:
    """A histogram over time: how many observations fell into which bucket.

    Without exemplars: as squares of a cell's size they would hide the cells.
    """
    panel = common_parts(heatmap.Panel(), about)
    panel.calculate(calculate=False).cell_gap(1)
    panel.color(
        heatmap.HeatmapColorOptions()
        .mode(heatmap_models.HeatmapColorMode.SCHEME)
        .scheme("Cividis")
        .steps(64)
    )
    panel.y_axis(heatmap.YAxisConfig().unit(about.unit))
    return panel.with_target(
        Series(buckets, "{{le}}").over_time("A").format(prometheus_models.PromQueryFormat.HEATMAP)
    )


def states(
    about: About, *series: Series, texts: Mapping[str, tuple[str, str]]
) -> statetimeline.Panel:
    """States over time. ``texts`` maps a value to its text and its colour."""
    panel = common_parts(statetimeline.Panel(), about)
    panel.mappings(
        [
            models.ValueMap(
                options={
                    value: models.ValueMappingResult(text=text, color=color, index=index)
                    for index, (value, (text, color)) in enumerate(texts.items())
                }
            )
        ]
    )
    # By thresholds Grafana would merge the states into "< 1" and "1+", and drop their texts.
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(GREY))
    panel.legend(_legend()).fill_opacity(80).row_height(0.8).merge_values(merge_values=True)
    for ref, one in zip(string.ascii_uppercase, series, strict=False):
        panel.with_target(one.query(ref))
    return panel


def common_parts(panel: P, about: About) -> P:
    """Give a panel what every panel has: title, description, unit, source, limits, links."""
    panel.title(about.title).description(about.description).unit(about.unit)
    panel.datasource(Source.PROMETHEUS.ref)
    panel.thresholds(about.limit.config() if about.limit else _neutral())
    panel.links([link.build() for link in about.all_links])
    return panel


def property_of(name: str, value: object) -> models.DynamicConfigValue:
    """One overridden setting of a field."""
    return models.DynamicConfigValue(id_val=name, value=value)


def _fixed(color: str) -> models.DynamicConfigValue:
    return property_of("color", {"mode": "fixed", "fixedColor": color})


def _neutral() -> dashboard.ThresholdsConfig:
    """One step: Grafana's own default would turn red at 80, whatever the unit."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=None, color=BLUE)])
    )


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
    )
