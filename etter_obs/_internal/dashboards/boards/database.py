"""Database: the pool, the statements, the statements per request, and PostgreSQL itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs._internal.conventions import (
    DB_CONNECTIONS,
    DB_N_PLUS_ONE,
    DB_POOL_IN_USE,
    DB_POOL_LIMIT,
    DB_POOL_OVERFLOW,
    DB_POOL_SIZE,
    DB_POOL_TIMEOUTS,
    DB_POOL_UTILISATION,
    DB_POOL_WAIT,
    DB_QUERIES_PER_REQUEST,
    DB_QUERY_DURATION,
    DB_QUERY_ERRORS,
    DB_ROWS,
    DB_TIME_PER_REQUEST,
    Dashboard,
    Label,
    log_fields,
)
from etter_obs._internal.dashboards.boards.postgres import postgres
from etter_obs._internal.dashboards.toolkit import thresholds, variables
from etter_obs._internal.dashboards.toolkit.board import Board, Section, line, section
from etter_obs._internal.dashboards.toolkit.links import to
from etter_obs._internal.dashboards.toolkit.logql import stream
from etter_obs._internal.dashboards.toolkit.palette import BLUE, GREY, ORANGE, PURPLE, SKY
from etter_obs._internal.dashboards.toolkit.panel_docs import ZERO, About
from etter_obs._internal.dashboards.toolkit.panels import lines, single
from etter_obs._internal.dashboards.toolkit.promql import App, or_zero, top
from etter_obs._internal.dashboards.toolkit.queries import Series, per
from etter_obs._internal.dashboards.toolkit.tables import log_list, trace_list
from etter_obs._internal.redaction.sql import KINDS

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

KIND_COLORS: Final = dict(zip(KINDS, (BLUE, ORANGE, SKY, PURPLE, GREY), strict=True))


def database(spec: Spec) -> Board:
    """Whether requests wait for the database, and why."""
    app = App(spec.metric_prefix)
    return Board(
        Dashboard.DATABASE,
        "Database",
        "The pool, the statements, the statements per request, and PostgreSQL itself.",
        [
            _glance(spec, app),
            _pool(spec, app),
            _statements(spec, app),
            _requests(spec, app),
            postgres(spec),
        ],
        [variables.service(spec.service), variables.environment(spec.environment)],
        [variables.starts(app), variables.alerts()],
        span="1h",
    )


def _glance(spec: Spec, app: App) -> Section:
    return section(
        "At a glance",
        line(
            single(
                About(
                    "Pool in use",
                    "Connections checked out, as a share of those the pool may open.",
                    "Callers will wait soon: look for slow statements and for requests that "
                    "hold a connection while they call something else; then raise the pool.",
                    "percentunit",
                    thresholds.bound(spec, DB_POOL_UTILISATION),
                ),
                f"max({app(DB_POOL_UTILISATION)})",
                decimals=0,
            ),
            single(
                About(
                    "Active connections",
                    "Connections that run a statement or hold a transaction.",
                    "Find out below in which state they are; reduce the workers' pools before you"
                    " raise the server's limit.",
                    "none",
                    thresholds.bound(spec, DB_CONNECTIONS),
                ),
                f"max({app(DB_CONNECTIONS)})",
                decimals=0,
            ),
            single(
                About(
                    "Statements, p95",
                    "95 of 100 statements finish within this time.",
                    "See below which kind is slow, then open the slow statements' traces.",
                    "s",
                    thresholds.quantile(spec, DB_QUERY_DURATION, 0.95),
                ),
                app.quantile(0.95, DB_QUERY_DURATION),
            ),
            single(
                About(
                    "Pool timeouts",
                    "Requests for a connection that timed out within the time range.",
                    "The pool is exhausted; /health/detailed reports it too. Free or add "
                    "connections now, and look for the leak afterwards.",
                    "none",
                    ZERO,
                    links=[to(Dashboard.HEALTH, "Health and dependencies")],
                ),
                app.count(DB_POOL_TIMEOUTS),
                decimals=0,
            ),
            height=4,
        ),
    )


def _pool(spec: Spec, app: App) -> Section:
    return section(
        "Pool",
        line(
            lines(
                About(
                    "Connections of the pool",
                    "Connections checked out, pooled, allowed and in overflow, over all workers.",
                    "In use near allowed: requests wait. Constant overflow: the pool is too small"
                    " for its load.",
                    "none",
                ),
                Series(f"sum({app(DB_POOL_IN_USE)})", "in use", BLUE),
                Series(f"sum({app(DB_POOL_OVERFLOW)})", "overflow", ORANGE),
                Series(f"sum({app(DB_POOL_SIZE)})", "size", SKY),
                Series(f"sum({app(DB_POOL_LIMIT)})", "allowed", GREY),
            ),
            lines(
                About(
                    "Wait for a connection",
                    "How long requests waited for a connection from the pool.",
                    "A wait of more than a millisecond means that the pool is exhausted: see "
                    "which requests hold connections for long.",
                    "s",
                ),
                Series(app.quantile(0.95, DB_POOL_WAIT), "p95", BLUE, exemplar=True),
                Series(app.quantile(0.5, DB_POOL_WAIT), "p50", SKY),
            ),
        ),
    )


def _statements(spec: Spec, app: App) -> Section:
    kind = (Label.QUERY_TYPE,)
    legend = per(Label.QUERY_TYPE)
    return section(
        "Statements",
        line(
            lines(
                About(
                    "Statements by kind",
                    "Statements per second, by what they do.",
                    "Far more statements than requests: a loop queries row by row, see N+1 below.",
                    "ops",
                ),
                Series(app.rate(DB_QUERY_DURATION, by=kind, part="_count"), legend),
                names=KIND_COLORS,
            ),
            lines(
                About(
                    "Duration by kind, p95",
                    "95 of 100 statements of a kind finish within this time.",
                    "Click an exemplar's dot and read the statement in its trace; explain it "
                    "on the database.",
                    "s",
                    thresholds.quantile(spec, DB_QUERY_DURATION, 0.95),
                    [to(Dashboard.SLO_DETAIL, "Its SLO")],
                ),
                Series(app.quantile(0.95, DB_QUERY_DURATION, by=kind), legend, exemplar=True),
                names=KIND_COLORS,
            ),
            lines(
                About(
                    "Failed statements by kind",
                    "Statements per second that failed.",
                    "Search Logs and traces for the error; a deadlock shows below as well.",
                    "ops",
                    links=[to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                Series(
                    or_zero(
                        app.rate(DB_QUERY_ERRORS, by=kind),
                        app.rate(DB_QUERY_DURATION, by=kind, part="_count"),
                    ),
                    legend,
                ),
                names=KIND_COLORS,
            ),
            lines(
                About(
                    "Rows by kind",
                    "Rows per second that statements read or changed.",
                    "Rows that grow while statements do not: a query lost its limit or index.",
                    "rowsps",
                ),
                Series(app.rate(DB_ROWS, by=kind), legend),
                names=KIND_COLORS,
            ),
        ),
    )


def _requests(spec: Spec, app: App) -> Section:
    route = (Label.ENDPOINT,)
    bound = thresholds.quantile(spec, DB_QUERY_DURATION, 0.95)
    slow = f"{(bound.bad if bound else 0.1) * 1000:g}ms"
    return section(
        "Statements per request",
        line(
            lines(
                About(
                    "Statements per request, p95",
                    "The ten routes whose requests run the most statements.",
                    "A number that grows with the data is N+1: load the relation in one statement.",
                    "none",
                ),
                Series(
                    top(10, app.quantile(0.95, DB_QUERIES_PER_REQUEST, by=route)),
                    per(Label.ENDPOINT),
                ),
            ),
            lines(
                About(
                    "Database time by route",
                    "Seconds per second that the statements of a route's requests take, for the "
                    "ten routes with the most.",
                    "The first route loads the database most: index its statements, cache its "
                    "answers, or run fewer.",
                    "s",
                ),
                Series(
                    top(10, app.rate(DB_TIME_PER_REQUEST, by=route, part="_sum")),
                    per(Label.ENDPOINT),
                ),
            ),
            lines(
                About(
                    "N+1",
                    "Requests per minute that ran one statement many times.",
                    "The list beside shows the statement; join or prefetch it.",
                    "none",
                    ZERO,
                    links=[to(Dashboard.SERVICE, "Service")],
                ),
                Series(f"60 * {top(10, app.rate(DB_N_PLUS_ONE, by=route))}", per(Label.ENDPOINT)),
            ),
            log_list(
                About(
                    "Repeated statements",
                    "Warnings that name a statement run many times by one request, without its "
                    "values.",
                    "Open a line and follow its trace_id: the trace shows the request.",
                    "none",
                ),
                stream(f'{log_fields.STATEMENT} != ""', levels=("WARNING",)),
            ),
        ),
        line(
            trace_list(
                About(
                    "Slow statements",
                    f"Traces with a statement that took longer than {slow}.",
                    "Open one; the span carries the statement. Explain it on the database.",
                    "none",
                ),
                '{ resource.service.name = "$service" && span.db.system.name != nil '
                f'&& span.db.system.name != "redis" && duration > {slow} }}',
            ),
        ),
    )
