"""Service, below its first screen: routes, versions, bodies, decorated functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etter_obs._internal.conventions import (
    BUILD_INFO,
    EXCEPTIONS,
    FUNCTION_CALLS,
    FUNCTION_DURATION,
    FUNCTION_EXCEPTIONS,
    REQUEST_DURATION,
    REQUEST_SIZE,
    REQUEST_TTFB,
    REQUESTS,
    RESPONSE_SIZE,
    WEBSOCKET_DURATION,
    WEBSOCKET_MESSAGES,
    WEBSOCKETS_ACTIVE,
    Dashboard,
    Label,
)
from etter_obs._internal.dashboards.boards.service_matchers import FAILED, REFUSED, ROUTE
from etter_obs._internal.dashboards.toolkit import thresholds
from etter_obs._internal.dashboards.toolkit.board import Section, line, section
from etter_obs._internal.dashboards.toolkit.links import to
from etter_obs._internal.dashboards.toolkit.palette import BLUE, GREY, ORANGE, SKY
from etter_obs._internal.dashboards.toolkit.panel_docs import About
from etter_obs._internal.dashboards.toolkit.panels import lines
from etter_obs._internal.dashboards.toolkit.promql import (
    RANGE,
    App,
    or_zero,
    peak,
    rate,
    share,
    top,
)
from etter_obs._internal.dashboards.toolkit.queries import Column, Series, per
from etter_obs._internal.dashboards.toolkit.tables import rows

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec


def routes(spec: Spec, app: App) -> Section:
    """Which route fails, is slow or raises."""
    by = (Label.ENDPOINT,)
    requests = app.count(REQUESTS, ROUTE, by=by)
    return section(
        "Routes",
        line(
            rows(
                About(
                    "Routes by errors, worst first",
                    "Every route over the time range in view. Click a title to sort by duration "
                    "or traffic instead.",
                    "Click the route: its log lines and traces are on the next page.",
                    "short",
                    thresholds.bad_status(spec, "5xx"),
                ),
                Label.ENDPOINT,
                "Route",
                Column("Requests", requests, "short", decimals=0),
                Column(
                    "5xx",
                    share(or_zero(app.count(REQUESTS, ROUTE, FAILED, by=by), requests), requests),
                    "percentunit",
                    thresholds.bad_status(spec, "5xx"),
                    2,
                ),
                Column(
                    "4xx",
                    share(or_zero(app.count(REQUESTS, ROUTE, REFUSED, by=by), requests), requests),
                    "percentunit",
                    thresholds.bad_status(spec, "4xx"),
                    2,
                ),
                Column(
                    "p95",
                    app.quantile(0.95, REQUEST_DURATION, ROUTE, by=by, over=RANGE),
                    "s",
                    thresholds.quantile(spec, REQUEST_DURATION, 0.95),
                ),
                Column(
                    "First byte, p95",
                    app.quantile(0.95, REQUEST_TTFB, ROUTE, by=by, over=RANGE),
                    "s",
                ),
                worst="5xx",
                key_link=to(
                    Dashboard.LOGS_TRACES, "Its logs and traces", "var-route=${__value.raw}"
                ),
                key_width=320,
            ),
            lines(
                About(
                    "Unhandled exceptions",
                    "Unhandled exceptions per second, by type.",
                    "Search for the type in Logs and traces; Sentry groups them by origin.",
                    "cps",
                    None,
                    [to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                Series(
                    top(10, app.rate(EXCEPTIONS, ROUTE, by=(Label.EXCEPTION,))),
                    per(Label.EXCEPTION),
                ),
            ),
            height=10,
            widths=(16, 8),
        ),
    )


def versions(spec: Spec, app: App) -> Section:
    """Whether the new version is worse than the old one."""

    def by_version(expr: str) -> str:
        """Join what an instance did with the version that it ran."""
        build = peak(app(BUILD_INFO), Label.INSTANCE, Label.VERSION)
        joined = (
            f"sum by ({Label.INSTANCE}) ({expr}) * on ({Label.INSTANCE}) "
            f"group_left ({Label.VERSION}) {build}"
        )
        return f"sum by ({Label.VERSION}) ({joined})"

    requests = by_version(rate(app(REQUESTS, ROUTE)))
    failed = by_version(rate(app(REQUESTS, ROUTE, FAILED)))
    seconds = by_version(rate(app(REQUEST_DURATION, ROUTE, part="_sum")))
    legend = per(Label.VERSION)
    return section(
        "Versions side by side",
        line(
            lines(
                About(
                    "Requests by version",
                    "Requests per second of each running version.",
                    "An old version that keeps its share was not replaced: check the rollout.",
                    "reqps",
                ),
                Series(requests, legend),
            ),
            lines(
                About(
                    "Server errors by version",
                    "Share of 5xx of each running version.",
                    "The new version above the old one: roll back first, then investigate.",
                    "percentunit",
                    thresholds.bad_status(spec, "5xx"),
                ),
                Series(share(or_zero(failed, requests), requests), legend),
            ),
            lines(
                About(
                    "Mean duration by version",
                    "Mean time to the last byte of each running version.",
                    "The new version slower than the old one: compare their traces on the "
                    "slowest route.",
                    "s",
                ),
                Series(share(seconds, requests), legend),
            ),
            height=7,
        ),
    )


def bodies(app: App) -> Section:
    """Sizes of bodies, and open connections."""
    life = app.quantile(0.5, WEBSOCKET_DURATION, over=RANGE)
    return section(
        "Bodies and WebSockets",
        line(
            lines(
                About(
                    "Size of bodies, p95",
                    "95 of 100 request and response bodies are smaller than this.",
                    "Responses that keep growing need pagination; growing uploads need a limit.",
                    "bytes",
                ),
                Series(app.quantile(0.95, REQUEST_SIZE, ROUTE), "requests", BLUE),
                Series(app.quantile(0.95, RESPONSE_SIZE, ROUTE), "responses", ORANGE),
            ),
            lines(
                About(
                    "WebSockets",
                    "Open connections, messages per second, and how long half of the "
                    "connections last.",
                    "Connections that end at the same time: a proxy's timeout or a restart.",
                    "short",
                ),
                Series(f"sum({app(WEBSOCKETS_ACTIVE)})", "open", BLUE),
                Series(app.rate(WEBSOCKET_MESSAGES), "messages per second", SKY),
                Series(f"{life} / 60", "life in minutes, p50", GREY),
            ),
            height=7,
        ),
        collapsed=True,
    )


def functions(app: App) -> Section:
    """Functions that the app's code decorates."""
    by = (Label.FUNCTION,)
    legend = per(Label.FUNCTION)
    return section(
        "Decorated functions",
        line(
            lines(
                About(
                    "Calls",
                    "Calls per second of functions that the app's code decorates.",
                    "A function called far more than its route is called in a loop: look for N+1 "
                    "in Database.",
                    "cps",
                ),
                Series(top(10, app.rate(FUNCTION_CALLS, by=by)), legend),
            ),
            lines(
                About(
                    "Calls, p95",
                    "Time within which 95 of 100 calls return.",
                    "Open a trace of the calling route to see what it waits for.",
                    "s",
                ),
                Series(
                    top(10, app.quantile(0.95, FUNCTION_DURATION, by=by)), legend, exemplar=True
                ),
            ),
            lines(
                About(
                    "Exceptions",
                    "Exceptions per second by function.",
                    "Search the function's name in Logs and traces.",
                    "cps",
                ),
                Series(top(10, app.rate(FUNCTION_EXCEPTIONS, by=by)), legend),
            ),
            height=7,
        ),
        collapsed=True,
    )
