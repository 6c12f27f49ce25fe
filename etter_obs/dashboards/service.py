"""Service: rate, errors and duration of every route (RED)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs.conventions import (
    ACTIVE_REQUESTS,
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
    STATUS_CLIENT_CLOSED,
    WEBSOCKET_DURATION,
    WEBSOCKET_MESSAGES,
    WEBSOCKETS_ACTIVE,
    Dashboard,
    Label,
)
from etter_obs.dashboards import scope, targets
from etter_obs.dashboards.about import About
from etter_obs.dashboards.board import Board, Section, line, section
from etter_obs.dashboards.links import to
from etter_obs.dashboards.palette import BAD, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from etter_obs.dashboards.panels import heat, lines, single
from etter_obs.dashboards.promql import RANGE, App, or_zero, peak, rate, share, top, total
from etter_obs.dashboards.series import Column, Series, per
from etter_obs.dashboards.tables import rows
from etter_obs.slo.promql import equals, matches

if TYPE_CHECKING:
    from etter_obs.slo.spec import Spec

STATUS_COLORS: Final = {
    "2xx": GREEN,
    "3xx": SKY,
    "4xx": ORANGE,
    "5xx": VERMILION,
    str(STATUS_CLIENT_CLOSED): PURPLE,
}
_ROUTE: Final = matches(Label.ENDPOINT, "$route")
_FAILED: Final = matches(Label.STATUS, "5..")
_REFUSED: Final = matches(Label.STATUS, "4..")
_LEFT: Final = equals(Label.STATUS, str(STATUS_CLIENT_CLOSED))
_ROUTE_LOGS: Final = to(
    Dashboard.LOGS_TRACES,
    "Logs and traces of this route",
    f"var-route=${{__field.labels.{Label.ENDPOINT}}}",
)


def service(spec: Spec) -> Board:
    """Rate, errors, duration; by route, by status, by version."""
    app = App(spec.metric_prefix)
    return Board(
        Dashboard.SERVICE,
        "Service",
        "Rate, errors and duration of every route.",
        [
            _glance(spec, app),
            _rate_and_errors(spec, app),
            _duration(spec, app),
            _routes(spec, app),
            _versions(spec, app),
            _bodies(app),
            _functions(app),
        ],
        [
            scope.service(spec.service),
            scope.environment(spec.environment),
            scope.of_app("route", app(REQUESTS), Label.ENDPOINT),
        ],
        [scope.starts(app), scope.alerts()],
        span="1h",
    )


def _glance(spec: Spec, app: App) -> Section:
    all_requests = app.rate(REQUESTS, _ROUTE)
    failed = share(or_zero(app.rate(REQUESTS, _ROUTE, _FAILED), all_requests), all_requests)
    return section(
        "At a glance",
        line(
            single(
                About(
                    "Requests",
                    "Requests answered per second.",
                    "A sudden zero means that nothing arrives or nothing is scraped: look at the "
                    "load balancer, then at Telemetry.",
                    "reqps",
                ),
                all_requests,
                decimals=1,
            ),
            single(
                About(
                    "Server errors",
                    "Share of requests answered with 5xx.",
                    "Sort the route table below by errors, then open Logs and traces for that "
                    "route.",
                    "percentunit",
                    targets.bad_status(spec, "5xx"),
                    [to(Dashboard.LOGS_TRACES, "Its errors in the logs")],
                ),
                failed,
                decimals=2,
            ),
            *(
                single(
                    About(
                        f"p{q * 100:g}",
                        f"{q * 100:g} of 100 requests are answered within this time.",
                        "Find the slow route in the table below and follow one of its exemplars "
                        "to a trace.",
                        "s",
                        targets.quantile(spec, REQUEST_DURATION, q),
                    ),
                    app.quantile(q, REQUEST_DURATION, _ROUTE),
                )
                for q in targets.quantiles(spec, REQUEST_DURATION)
            ),
            single(
                About(
                    "In flight",
                    "Requests being answered now, over all workers.",
                    "A number that only grows is work that never ends: look at the database "
                    "pool's wait and at outgoing calls.",
                    "none",
                ),
                f"sum({app(ACTIVE_REQUESTS)})",
            ),
            height=4,
        ),
    )


def _rate_and_errors(spec: Spec, app: App) -> Section:
    everything = app.rate(REQUESTS, _ROUTE)
    by_class = app.rate(REQUEST_DURATION, _ROUTE, by=(Label.STATUS_CLASS,), part="_count")
    return section(
        "Rate and errors",
        line(
            lines(
                About(
                    "Status mix",
                    "Requests per second by class of status; 499 is a client that left first.",
                    "Compare with the annotations: a new class right after a start is that "
                    "version's doing.",
                    "reqps",
                ),
                Series(by_class, per(Label.STATUS_CLASS)),
                stacked=True,
                names=STATUS_COLORS,
            ),
            lines(
                About(
                    "Share of bad answers",
                    "5xx and 4xx as a share of requests to the chosen routes.",
                    "5xx: this service or what it depends on, see Health and dependencies. "
                    "4xx: a caller that changed, see the route table.",
                    "percentunit",
                    targets.bad_status(spec, "5xx"),
                    [to(Dashboard.HEALTH, "Health and dependencies")],
                ),
                Series(
                    share(or_zero(app.rate(REQUESTS, _ROUTE, _FAILED), everything), everything),
                    "5xx",
                    BAD,
                ),
                Series(
                    share(or_zero(app.rate(REQUESTS, _ROUTE, _REFUSED), everything), everything),
                    "4xx",
                    ORANGE,
                ),
            ),
            lines(
                About(
                    "In flight and disconnects",
                    "Requests being answered, and clients that left before their answer, "
                    "per second.",
                    "Clients that leave wait too long: look at the slowest routes.",
                    "none",
                ),
                Series(f"sum({app(ACTIVE_REQUESTS)})", "in flight", BLUE),
                Series(
                    or_zero(app.rate(REQUESTS, _ROUTE, _LEFT), everything),
                    "disconnects per second",
                    PURPLE,
                ),
            ),
        ),
    )


def _duration(spec: Spec, app: App) -> Section:
    quantiles = targets.quantiles(spec, REQUEST_DURATION)
    return section(
        "Duration",
        line(
            lines(
                About(
                    "Duration of all requests",
                    "Time to the last byte. The dots are exemplars: requests whose trace was kept.",
                    "Click a dot high up and open its trace: the longest span is where the time "
                    "went.",
                    "s",
                    targets.quantile(spec, REQUEST_DURATION, max(quantiles)),
                ),
                *(
                    Series(
                        app.quantile(q, REQUEST_DURATION, _ROUTE),
                        f"p{q * 100:g}",
                        exemplar=q == max(quantiles),
                    )
                    for q in quantiles
                ),
            ),
            lines(
                About(
                    "p95 by route, the ten slowest",
                    "Time within which 95 of 100 requests of a route are answered.",
                    "One route high: its own work. All high: something shared, so look at "
                    "Database, Cache and Runtime.",
                    "s",
                    targets.quantile(spec, REQUEST_DURATION, 0.95),
                    [
                        to(Dashboard.DATABASE, "Database"),
                        to(Dashboard.RUNTIME, "Runtime and host"),
                    ],
                ),
                Series(
                    top(10, app.quantile(0.95, REQUEST_DURATION, _ROUTE, by=(Label.ENDPOINT,))),
                    per(Label.ENDPOINT),
                    exemplar=True,
                ),
                click=_ROUTE_LOGS,
            ),
            heat(
                About(
                    "Distribution of durations",
                    "How many requests took how long; a second band is a second kind of request.",
                    "A band that appears at one time is a cause that began then: a cold cache, "
                    "a lock, a slow dependency.",
                    "s",
                ),
                total(rate(app(REQUEST_DURATION, _ROUTE, part="_bucket")), "le"),
            ),
        ),
    )


def _routes(spec: Spec, app: App) -> Section:
    by = (Label.ENDPOINT,)
    requests = app.count(REQUESTS, _ROUTE, by=by)
    return section(
        "Routes",
        line(
            rows(
                About(
                    "Routes, the most failing first",
                    "Every route over the time range in view. Click a title to sort by duration "
                    "or traffic instead.",
                    "Click the route: its log lines and traces are on the next page.",
                    "short",
                    targets.bad_status(spec, "5xx"),
                ),
                Label.ENDPOINT,
                "Route",
                Column("Requests", requests, "short", decimals=0),
                Column(
                    "5xx",
                    share(or_zero(app.count(REQUESTS, _ROUTE, _FAILED, by=by), requests), requests),
                    "percentunit",
                    targets.bad_status(spec, "5xx"),
                    2,
                ),
                Column(
                    "4xx",
                    share(
                        or_zero(app.count(REQUESTS, _ROUTE, _REFUSED, by=by), requests), requests
                    ),
                    "percentunit",
                    targets.bad_status(spec, "4xx"),
                    2,
                ),
                Column(
                    "p95",
                    app.quantile(0.95, REQUEST_DURATION, _ROUTE, by=by, over=RANGE),
                    "s",
                    targets.quantile(spec, REQUEST_DURATION, 0.95),
                ),
                Column(
                    "First byte, p95",
                    app.quantile(0.95, REQUEST_TTFB, _ROUTE, by=by, over=RANGE),
                    "s",
                ),
                worst="5xx",
                key_link=to(
                    Dashboard.LOGS_TRACES, "Its logs and traces", "var-route=${__value.raw}"
                ),
            ),
            lines(
                About(
                    "Unhandled exceptions",
                    "Exceptions per second that left the app, by kind.",
                    "Search the kind in Logs and traces; Sentry groups them by where they rose.",
                    "cps",
                    None,
                    [to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                Series(
                    top(10, app.rate(EXCEPTIONS, _ROUTE, by=(Label.EXCEPTION,))),
                    per(Label.EXCEPTION),
                ),
            ),
            height=10,
            widths=(16, 8),
        ),
    )


def _versions(spec: Spec, app: App) -> Section:
    def by_version(expr: str) -> str:
        """Join what an instance did with the version that it ran."""
        build = peak(app(BUILD_INFO), Label.INSTANCE, Label.VERSION)
        joined = (
            f"sum by ({Label.INSTANCE}) ({expr}) * on ({Label.INSTANCE}) "
            f"group_left ({Label.VERSION}) {build}"
        )
        return f"sum by ({Label.VERSION}) ({joined})"

    requests = by_version(rate(app(REQUESTS, _ROUTE)))
    failed = by_version(rate(app(REQUESTS, _ROUTE, _FAILED)))
    seconds = by_version(rate(app(REQUEST_DURATION, _ROUTE, part="_sum")))
    legend = per(Label.VERSION)
    return section(
        "Versions side by side",
        line(
            lines(
                About(
                    "Requests by version",
                    "How much each running version answers.",
                    "An old version that keeps its share was not replaced: look at the roll-out.",
                    "reqps",
                ),
                Series(requests, legend),
            ),
            lines(
                About(
                    "Server errors by version",
                    "Share of 5xx of each running version.",
                    "The new version above the old one: roll back first, look afterwards.",
                    "percentunit",
                    targets.bad_status(spec, "5xx"),
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


def _bodies(app: App) -> Section:
    life = app.quantile(0.5, WEBSOCKET_DURATION, over=RANGE)
    return section(
        "Bodies and WebSockets",
        line(
            lines(
                About(
                    "Size of bodies, p95",
                    "95 of 100 request and response bodies are smaller than this.",
                    "Answers that grow without end want pagination; uploads that grow want a "
                    "limit.",
                    "bytes",
                ),
                Series(app.quantile(0.95, REQUEST_SIZE, _ROUTE), "requests", BLUE),
                Series(app.quantile(0.95, RESPONSE_SIZE, _ROUTE), "responses", ORANGE),
            ),
            lines(
                About(
                    "WebSockets",
                    "Open connections, messages per second, and how long half of the "
                    "connections last.",
                    "Connections that fall together point at a proxy's timeout or a restart.",
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


def _functions(app: App) -> Section:
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
                    "Open a trace of the route that calls it and see what it waits for.",
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
