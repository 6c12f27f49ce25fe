"""Logs and traces: log lines, failed and slow requests, and one request by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import dashboard as builders

from etter_obs._internal.conventions import (
    LOG_LINES,
    REQUEST_DURATION,
    REQUESTS,
    Dashboard,
    Label,
    SpanAttribute,
    log_fields,
)
from etter_obs._internal.dashboards.toolkit import thresholds, variables
from etter_obs._internal.dashboards.toolkit.board import Board, Section, line, section
from etter_obs._internal.dashboards.toolkit.links import to
from etter_obs._internal.dashboards.toolkit.logql import LEVEL, per_second, readable, stream
from etter_obs._internal.dashboards.toolkit.palette import GREY, ORANGE, PURPLE, SKY, VERMILION
from etter_obs._internal.dashboards.toolkit.panel_docs import About
from etter_obs._internal.dashboards.toolkit.panels import lines
from etter_obs._internal.dashboards.toolkit.promql import App
from etter_obs._internal.dashboards.toolkit.queries import Series, Source, per
from etter_obs._internal.dashboards.toolkit.tables import log_list, trace_list

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

LEVEL_COLORS: Final = {
    "DEBUG": GREY,
    "INFO": SKY,
    "WARNING": ORANGE,
    "ERROR": VERMILION,
    "CRITICAL": PURPLE,
}
_REQUEST: Final = f'{log_fields.REQUEST_ID}=~"$request.*"'
_ROUTE: Final = f'{log_fields.ENDPOINT}=~"$route"'
_ERRORS: Final = ("ERROR", "CRITICAL")
_UNUSUAL: Final = ("WARNING", *_ERRORS)
_SERVICE: Final = 'resource.service.name = "$service"'
_SERVED: Final = f"{_SERVICE} && kind = server && name =~ `.*${{route:regex}}`"
"""Spans of requests to the chosen routes: a server span's name ends with its route."""


def logs_traces(spec: Spec) -> Board:
    """From a metric to the log lines and traces behind it."""
    app = App(spec.metric_prefix)
    request = (
        builders.TextBoxVariable("request")
        .label("Request id")
        .description("X-Request-ID of one request, or its beginning; empty shows all.")
        .default_value("")
    )
    return Board(
        Dashboard.LOGS_TRACES,
        "Logs and traces",
        "Log lines, failed and slow requests, and one request by its id.",
        [_levels(app), _errors(), _traces(spec), _request()],
        [
            variables.service(spec.service),
            variables.environment(spec.environment),
            variables.of_app("route", app(REQUESTS), Label.ENDPOINT),
            request,
        ],
        [variables.starts(app), variables.alerts()],
        span="1h",
    )


def _levels(app: App) -> Section:
    return section(
        "Levels",
        line(
            lines(
                About(
                    "Warnings and errors",
                    "Log lines per second at WARNING or above that reached Loki.",
                    "Errors that start at the same time: read the first of them, not the last.",
                    "cps",
                ),
                Series(per_second(stream(levels=_UNUSUAL), LEVEL), per(LEVEL), source=Source.LOKI),
                stacked=True,
                names=LEVEL_COLORS,
            ),
            lines(
                About(
                    "Lines written by the app",
                    "Log lines per second that the app wrote to its standard output.",
                    "More warnings or errors than reached Loki: lines are lost on the way, see "
                    "Telemetry of the telemetry.",
                    "cps",
                    links=[to(Dashboard.TELEMETRY, "Telemetry of the telemetry")],
                ),
                Series(app.rate(LOG_LINES, by=(Label.SEVERITY,)), per(Label.SEVERITY)),
                stacked=True,
                names=LEVEL_COLORS,
            ),
        ),
    )


def _errors() -> Section:
    return section(
        "Errors",
        line(
            lines(
                About(
                    "Errors by kind",
                    "Error lines per second, grouped by the exception's type and the logger.",
                    "A type that is new since the last start comes with that version; see its "
                    "lines in the panel beside.",
                    "cps",
                ),
                Series(
                    per_second(
                        stream(_ROUTE, levels=_ERRORS), log_fields.ERROR_TYPE, log_fields.LOGGER
                    ),
                    per(log_fields.ERROR_TYPE, log_fields.LOGGER),
                    source=Source.LOKI,
                ),
            ),
            log_list(
                About(
                    "Error lines",
                    "The newest lines at ERROR or above, with their stack traces.",
                    "Open a line: its trace_id leads to the trace, its request_id to all lines "
                    "of that request.",
                    "none",
                ),
                readable(stream(_ROUTE, levels=_ERRORS)),
            ),
            height=10,
        ),
    )


def _traces(spec: Spec) -> Section:
    quantiles = thresholds.quantiles(spec, REQUEST_DURATION)
    limit = thresholds.quantile(spec, REQUEST_DURATION, max(quantiles))
    slow = f"{(limit.bad if limit else 1.0) * 1000:g}ms"
    return section(
        "Traces",
        line(
            trace_list(
                About(
                    "Failing traces",
                    "Traces of requests to the chosen routes that failed.",
                    "Open one: the deepest red span is where it began.",
                    "none",
                ),
                f"{{ {_SERVED} && status = error }}",
            ),
            trace_list(
                About(
                    "Slow traces",
                    f"Traces of requests to the chosen routes that took longer than {slow}.",
                    "Open one: the longest span without children is where the time went.",
                    "none",
                ),
                f"{{ {_SERVED} && duration > {slow} }}",
            ),
            height=10,
        ),
    )


def _request() -> Section:
    return section(
        "One request by its id",
        line(
            log_list(
                About(
                    "Its log lines",
                    "Lines of the request whose X-Request-ID is set above; of all requests of the"
                    " chosen routes if it is empty.",
                    "Nothing found: the id is wrong, the time range too short, or its lines "
                    "were dropped.",
                    "none",
                ),
                readable(stream(_REQUEST, _ROUTE)),
            ),
            trace_list(
                About(
                    "Its trace",
                    "The trace of that request, if it was sampled, failed or was slow.",
                    "Nothing found: the request was neither sampled nor bad, so no trace was kept.",
                    "none",
                ),
                f'{{ {_SERVICE} && span.{SpanAttribute.REQUEST_ID} =~ "$request.*" }}',
            ),
            height=10,
        ),
    )
