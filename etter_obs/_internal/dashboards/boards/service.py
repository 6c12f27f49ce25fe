"""Service: rate, errors and duration of every route (RED)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs._internal.conventions import (
    ACTIVE_REQUESTS,
    REQUEST_DURATION,
    REQUESTS,
    STATUS_CLIENT_CLOSED,
    Dashboard,
    Label,
)
from etter_obs._internal.dashboards.boards.service_details import (
    bodies,
    functions,
    routes,
    versions,
)
from etter_obs._internal.dashboards.boards.service_matchers import FAILED, LEFT, REFUSED, ROUTE
from etter_obs._internal.dashboards.toolkit import thresholds, variables
from etter_obs._internal.dashboards.toolkit.board import Board, Section, line, section
from etter_obs._internal.dashboards.toolkit.links import to
from etter_obs._internal.dashboards.toolkit.palette import (
    BAD,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
)
from etter_obs._internal.dashboards.toolkit.panel_docs import About
from etter_obs._internal.dashboards.toolkit.panels import heat, lines, single
from etter_obs._internal.dashboards.toolkit.promql import App, or_zero, rate, share, top, total
from etter_obs._internal.dashboards.toolkit.queries import Series, per

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

STATUS_COLORS: Final = {
    "2xx": GREEN,
    "3xx": SKY,
    "4xx": ORANGE,
    "5xx": VERMILION,
    str(STATUS_CLIENT_CLOSED): PURPLE,
}
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
            routes(spec, app),
            versions(spec, app),
            bodies(app),
            functions(app),
        ],
        [
            variables.service(spec.service),
            variables.environment(spec.environment),
            variables.of_app("route", app(REQUESTS), Label.ENDPOINT),
        ],
        [variables.starts(app), variables.alerts()],
        span="1h",
    )


def _glance(spec: Spec, app: App) -> Section:
    all_requests = app.rate(REQUESTS, ROUTE)
    failed = share(or_zero(app.rate(REQUESTS, ROUTE, FAILED), all_requests), all_requests)
    return section(
        "At a glance",
        line(
            single(
                About(
                    "Requests",
                    "Requests answered per second.",
                    "A sudden zero: no requests arrive, or the app is not scraped. Check the load"
                    " balancer, then Telemetry.",
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
                    thresholds.bad_status(spec, "5xx"),
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
                        thresholds.quantile(spec, REQUEST_DURATION, q),
                    ),
                    app.quantile(q, REQUEST_DURATION, ROUTE),
                )
                for q in thresholds.quantiles(spec, REQUEST_DURATION)
            ),
            single(
                About(
                    "In flight",
                    "Requests being answered now, over all workers.",
                    "Steady growth: requests do not finish. Check the wait for the database pool "
                    "and outgoing calls.",
                    "none",
                ),
                f"sum({app(ACTIVE_REQUESTS)})",
            ),
            height=4,
        ),
    )


def _rate_and_errors(spec: Spec, app: App) -> Section:
    everything = app.rate(REQUESTS, ROUTE)
    by_class = app.rate(REQUEST_DURATION, ROUTE, by=(Label.STATUS_CLASS,), part="_count")
    return section(
        "Rate and errors",
        line(
            lines(
                About(
                    "Status mix",
                    "Requests per second by class of status; 499 is a client that left first.",
                    "Compare with the annotations: a new class right after a start comes with "
                    "that version.",
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
                    thresholds.bad_status(spec, "5xx"),
                    [to(Dashboard.HEALTH, "Health and dependencies")],
                ),
                Series(
                    share(or_zero(app.rate(REQUESTS, ROUTE, FAILED), everything), everything),
                    "5xx",
                    BAD,
                ),
                Series(
                    share(or_zero(app.rate(REQUESTS, ROUTE, REFUSED), everything), everything),
                    "4xx",
                    ORANGE,
                ),
            ),
            lines(
                About(
                    "In flight, and clients that left",
                    "Requests being answered, and clients that left before their answer, "
                    "per second.",
                    "Clients leave because they wait too long: look at the slowest routes.",
                    "none",
                ),
                Series(f"sum({app(ACTIVE_REQUESTS)})", "in flight", BLUE),
                Series(
                    or_zero(app.rate(REQUESTS, ROUTE, LEFT), everything),
                    "disconnects per second",
                    PURPLE,
                ),
            ),
        ),
    )


def _duration(spec: Spec, app: App) -> Section:
    quantiles = thresholds.quantiles(spec, REQUEST_DURATION)
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
                    thresholds.quantile(spec, REQUEST_DURATION, max(quantiles)),
                ),
                *(
                    Series(
                        app.quantile(q, REQUEST_DURATION, ROUTE),
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
                    "One route high: its own code. All high: a shared cause, so look at Database,"
                    " Cache and Runtime.",
                    "s",
                    thresholds.quantile(spec, REQUEST_DURATION, 0.95),
                    [
                        to(Dashboard.DATABASE, "Database"),
                        to(Dashboard.RUNTIME, "Runtime and host"),
                    ],
                ),
                Series(
                    top(10, app.quantile(0.95, REQUEST_DURATION, ROUTE, by=(Label.ENDPOINT,))),
                    per(Label.ENDPOINT),
                    exemplar=True,
                ),
                click=_ROUTE_LOGS,
            ),
            heat(
                About(
                    "Distribution of durations",
                    "How many requests took how long; a second band is a second kind of request.",
                    "A band that appears at some time has a cause that began then: a cold cache, "
                    "a lock, a slow dependency.",
                    "s",
                ),
                total(rate(app(REQUEST_DURATION, ROUTE, part="_bucket")), "le"),
            ),
        ),
    )
