"""Panels that list: rows of a table, log lines, traces."""

from __future__ import annotations

import string
from dataclasses import replace

from grafana_foundation_sdk.builders import common, logs, table
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from etter_obs._internal.dashboards.toolkit.links import Link
from etter_obs._internal.dashboards.toolkit.panel_docs import About
from etter_obs._internal.dashboards.toolkit.panels import common_parts, property_of
from etter_obs._internal.dashboards.toolkit.queries import Column, Source, log_lines, traceql


def rows(
    about: About,
    key: str,
    key_title: str,
    *columns: Column,
    worst: str,
    descending: bool = True,
    key_link: Link | None = None,
    key_width: int | None = None,
) -> table.Panel:
    """A table with a row for each value of the label ``key``, sorted by the ``worst`` column.

    It can be red where any of its columns can. ``key_width`` in pixels gives long keys more than
    their share of the panel.

    Args:
        about: title, description and queries.
        columns: one for each query.
        key: label that identifies a row.
        key_title: heading of its column.
        worst: column by which rows are sorted.
        descending: highest values first.
        key_link: link of the key's cells.
        key_width: of its column, in pixels.
    """
    limit = about.limit or next((one.limit for one in columns if one.limit), None)
    panel = common_parts(table.Panel(), replace(about, limit=limit))
    renames = {key: key_title}
    for ref, column in zip(string.ascii_uppercase, columns, strict=False):
        panel.with_target(column.query(ref))
        renames[f"Value #{ref}"] = column.title
        properties = [property_of("unit", column.unit)]
        if column.decimals is not None:
            properties.append(property_of("decimals", column.decimals))
        if column.limit is not None:
            properties += [
                property_of("thresholds", column.limit.config().build()),
                property_of("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
            ]
        panel.override_by_name(column.title, properties)
    of_key = []
    if key_link is not None:
        of_key.append(property_of("links", [key_link.build().build()]))
    if key_width is not None:
        of_key.append(property_of("custom.width", key_width))
    if of_key:
        panel.override_by_name(key_title, of_key)
    panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: index for index, name in enumerate(renames)},
                "renameByName": renames,
            },
        )
    )
    return panel.sort_by([common.TableSortByFieldState().display_name(worst).desc(descending)])


def log_list(about: About, expr: str) -> logs.Panel:
    """Log lines, the newest first, each with its fields a click away."""
    panel = common_parts(logs.Panel(), about)
    panel.datasource(Source.LOKI.ref)
    panel.show_time(show_time=True).enable_log_details(enable_log_details=True)
    panel.wrap_log_message(wrap_log_message=True)
    panel.sort_order(common_models.LogsSortOrder.DESCENDING)
    return panel.with_target(log_lines(expr, "A"))


def trace_list(about: About, expr: str) -> table.Panel:
    """Traces that a TraceQL search finds, the newest first; a click opens one."""
    panel = common_parts(table.Panel(), about)
    panel.datasource(Source.TEMPO.ref)
    return panel.with_target(traceql(expr, "A"))
