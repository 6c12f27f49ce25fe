"""What dashboards are asked for: variables, and the events drawn over every panel."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models import dashboard as models

from etter_obs._internal.conventions import BUILD_INFO, PROCESS_START, Label, Rule
from etter_obs._internal.conventions.external import Scrape
from etter_obs._internal.dashboards.toolkit.palette import BLUE, GREY, VERMILION
from etter_obs._internal.dashboards.toolkit.promql import (
    INTERVAL,
    STEP,
    App,
    peak,
    recorded,
    select,
)
from etter_obs._internal.dashboards.toolkit.queries import Source
from etter_obs._internal.text.promql import equals

EVERY: Final = ".*"
"""The value of a variable's "All"."""


def service(current: str) -> builders.QueryVariable:
    """The service: whatever has an SLO, whether it is up or not."""
    return _query(Label.SERVICE, Rule.OBJECTIVE, current)


def environment(current: str) -> builders.QueryVariable:
    """The environment of the chosen service."""
    return _query(
        Label.ENVIRONMENT, select(Rule.OBJECTIVE, equals(Label.SERVICE, "$service")), current
    )


def slo(current: str) -> builders.QueryVariable:
    """One SLO of the service."""
    return _query(Label.SLO, recorded(Rule.OBJECTIVE), current)


def of_app(name: str, selector: str, label: str) -> builders.QueryVariable:
    """Any number of values of one of the app's labels, all of them at first.

    Args:
        name: of the variable.
        selector: series whose label values are offered.
        label: the label.
    """
    return (
        _query(name, selector, None, label)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(EVERY)
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def _query(
    name: str, selector: str, current: str | None, label: str | None = None
) -> builders.QueryVariable:
    query = f"label_values({selector}, {label or name})"
    variable = (
        builders.QueryVariable(name)
        .label(name.capitalize() if name != Label.SLO else "SLO")
        .datasource(Source.PROMETHEUS.ref)
        .query(query)
        .definition(query)
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if current is not None:
        variable.current(models.VariableOption(text=current, value=current, selected=True))
    return variable


def starts(app: App) -> builders.AnnotationQuery:
    """When a version started: a deployment, or a restart nobody asked for."""
    by_version = (
        f"{peak(app(PROCESS_START), Label.INSTANCE)} * on ({Label.INSTANCE}) "
        f"group_left ({Label.VERSION}) {peak(app(BUILD_INFO), Label.INSTANCE, Label.VERSION)}"
    )
    return (
        _annotation("Starts", BLUE, f"1000 * {peak(by_version, Label.VERSION)}")
        .title_format("Started")
        .text_format(f"version {{{{{Label.VERSION}}}}}")
        .use_value_for_time(use_value_for_time=True)
    )


def alerts(*matchers: str) -> builders.AnnotationQuery:
    """When an alert of the service began to fire.

    A mark and no more: drawn as long as it lasts, one that fires for days would tint every panel.
    However far apart the points of the time in view, each covers all the time since the last.
    """
    firing = recorded(Scrape.ALERTS, equals("alertstate", "firing"), *matchers)
    of = ("alertname", Label.SLO, Label.SEVERITY)
    lately = peak(f"max_over_time({firing}[{INTERVAL}])", *of)
    before = peak(f"max_over_time({firing}[{INTERVAL}] offset {STEP})", *of)
    return (
        _annotation("Alerts", VERMILION, f"{lately} unless {before}")
        .title_format("{{alertname}}")
        .text_format(f"{{{{{Label.SEVERITY}}}}}: {{{{{Label.SLO}}}}}")
    )


def synthetic() -> builders.AnnotationQuery:
    """Where the history is an invented one, for a first look: at its end, and each midnight in it.

    Drawn as long as it lasts, it would tint every panel or, in Grafana before 10, fence it.
    """
    invented = recorded(Rule.SYNTHETIC)
    midnight = f"{peak(invented)} and on () (hour() == 0) and on () (minute() == 0)"
    end = f"{peak(f'{invented} offset {STEP}')} unless {peak(invented)}"
    return (
        _annotation("Synthetic history", GREY, f"{midnight} or {end}")
        .title_format("Synthetic history")
        .text_format("what lies before is invented by the demo, incidents included")
    )


def _annotation(name: str, color: str, expr: str) -> builders.AnnotationQuery:
    """The query is given both as ``expr`` (Grafana up to 10) and as a target."""
    return (
        builders.AnnotationQuery()
        .name(name)
        .enable(enable=True)
        .hide(hide=False)
        .icon_color(color)
        .datasource(Source.PROMETHEUS.ref)
        .expr(expr)
        .step("60s")
        .target(prometheus.Dataquery().ref_id("Anno").expr(expr))
    )
