"""Health and dependencies: the app's health checks, and its calls to other services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etter_obs._internal.conventions import (
    CLIENT_DURATION,
    CLIENT_ERRORS,
    HEALTH_CHECK_DURATION,
    HEALTH_CHECK_FAILURES,
    HEALTH_CHECK_UP,
    Alert,
    Dashboard,
    Label,
)
from etter_obs._internal.conventions.external import Scrape
from etter_obs._internal.dashboards.toolkit import variables
from etter_obs._internal.dashboards.toolkit.board import Board, Section, line, section
from etter_obs._internal.dashboards.toolkit.links import runbook, to
from etter_obs._internal.dashboards.toolkit.palette import BAD, GOOD
from etter_obs._internal.dashboards.toolkit.panel_docs import ZERO, About, Limit
from etter_obs._internal.dashboards.toolkit.panels import lines, single, states
from etter_obs._internal.dashboards.toolkit.promql import RANGE, App, or_zero, peak, select, share
from etter_obs._internal.dashboards.toolkit.queries import Column, Series, per
from etter_obs._internal.dashboards.toolkit.tables import rows
from etter_obs._internal.text.promql import equals

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

_UP = select(Scrape.UP, equals(Label.JOB, "$service"), equals(Label.ENVIRONMENT, "$environment"))
_STATES = {"0": ("failing", BAD), "1": ("passing", GOOD)}


def health(spec: Spec) -> Board:
    """Which dependency is the cause of a problem."""
    app = App(spec.metric_prefix)
    return Board(
        Dashboard.HEALTH,
        "Health and dependencies",
        "The app's health checks, and its calls to other services.",
        [_checks(spec, app), _outgoing(app)],
        [variables.service(spec.service), variables.environment(spec.environment)],
        [variables.starts(app), variables.alerts()],
        span="1h",
    )


def _checks(spec: Spec, app: App) -> Section:
    check = (Label.CHECK,)
    legend = per(Label.CHECK)
    return section(
        "Checks",
        line(
            single(
                About(
                    "Instances up",
                    "Share of instances that Prometheus could scrape.",
                    "The instance is down or unreachable: Prometheus's target page says which "
                    "and why.",
                    "percentunit",
                    Limit(bad=0.5, warn=1, floor=True),
                    [to(Dashboard.TELEMETRY, "Telemetry of the telemetry")],
                ),
                f"avg({_UP})",
                decimals=0,
            ),
            single(
                About(
                    "Checks failing",
                    "Health checks that fail on any instance.",
                    "The first red bar below is the cause; what turned red after it is a "
                    "consequence.",
                    "none",
                    Limit(bad=1),
                    links=[to(Dashboard.DATABASE, "Database")],
                ),
                f"sum({peak(app(HEALTH_CHECK_UP), Label.CHECK)} == bool 0)",
                decimals=0,
            ),
            height=4,
        ),
        line(
            states(
                About(
                    "Instances",
                    "Whether Prometheus could scrape each instance.",
                    "Down without a deployment: read its last log lines. Up but absent here: it "
                    "is not in the target list.",
                    "none",
                    Limit(bad=1, floor=True),
                    links=[
                        runbook(spec, Alert.SERVICE_DOWN),
                        runbook(spec, Alert.SERVICE_INSTANCE_DOWN),
                    ],
                ),
                Series(f"{_UP}", per(Label.INSTANCE)),
                texts={"0": ("down", BAD), "1": ("up", GOOD)},
            ),
            states(
                About(
                    "Checks over time",
                    "The state of every check, the worst instance's.",
                    "Critical checks take the instance out of the load balancer; optional ones "
                    "only degrade it. /health/detailed names the reason.",
                    "none",
                    Limit(bad=1, floor=True),
                    links=[to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                Series(f"min by ({Label.CHECK}) ({app(HEALTH_CHECK_UP)})", legend),
                texts=_STATES,
            ),
            height=7,
        ),
        line(
            lines(
                About(
                    "Duration of checks, p95",
                    "95 of 100 runs of a check take at most this long.",
                    "A check that slows down before it fails: the dependency is filling up.",
                    "s",
                ),
                Series(app.quantile(0.95, HEALTH_CHECK_DURATION, by=check), legend),
            ),
            lines(
                About(
                    "Failed checks by reason",
                    "Failures per minute: timeout, unreachable, pool exhausted, failed.",
                    "pool_exhausted is caused by this app, see Database; unreachable by the "
                    "network or the dependency.",
                    "none",
                    links=[to(Dashboard.DATABASE, "Database")],
                ),
                Series(
                    or_zero(
                        f"60 * {app.rate(HEALTH_CHECK_FAILURES, by=(*check, Label.REASON))}",
                        app.rate(HEALTH_CHECK_DURATION, by=check, part="_count"),
                    ),
                    per(Label.CHECK, Label.REASON),
                ),
            ),
        ),
    )


def _outgoing(app: App) -> Section:
    host = (Label.HOST,)
    legend = per(Label.HOST)
    calls = app.rate(CLIENT_DURATION, by=host, part="_count")
    answered = app.count(CLIENT_DURATION, by=host, part="_count")
    failed = equals(Label.STATUS_CLASS, "5xx")
    return section(
        "Outgoing calls",
        line(
            lines(
                About(
                    "Calls by host",
                    "Outgoing HTTP requests per second.",
                    "More calls than requests: one request calls a host repeatedly.",
                    "reqps",
                ),
                Series(calls, legend),
            ),
            lines(
                About(
                    "Duration by host, p95",
                    "95 of 100 calls are answered within this time.",
                    "A slow host slows its callers: give the call a timeout and a fallback, or "
                    "cache its answer.",
                    "s",
                ),
                Series(app.quantile(0.95, CLIENT_DURATION, by=host), legend, exemplar=True),
            ),
            lines(
                About(
                    "Calls without an answer",
                    "Calls per minute that got no response, by host and kind of error.",
                    "Timeouts: the host is slow. Connection errors: it is down, or its name is "
                    "wrong.",
                    "none",
                    ZERO,
                    [to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                Series(
                    or_zero(
                        f"60 * {app.rate(CLIENT_ERRORS, by=(Label.HOST, Label.EXCEPTION))}", calls
                    ),
                    per(Label.HOST, Label.EXCEPTION),
                ),
            ),
        ),
        line(
            rows(
                About(
                    "Hosts by failures, worst first",
                    "Responses of each host over the time range.",
                    "5xx: report it to the owner of the host. No answer: handle it here with "
                    "timeouts and fallbacks.",
                    "short",
                    ZERO,
                    links=[to(Dashboard.LOGS_TRACES, "Logs and traces")],
                ),
                Label.HOST,
                "Host",
                Column("Answered", answered, "short", decimals=0),
                Column(
                    "5xx",
                    share(
                        or_zero(
                            app.count(CLIENT_DURATION, failed, by=host, part="_count"), answered
                        ),
                        answered,
                    ),
                    "percentunit",
                    ZERO,
                    2,
                ),
                Column(
                    "No answer",
                    or_zero(app.count(CLIENT_ERRORS, by=host), answered),
                    "short",
                    ZERO,
                    0,
                ),
                Column("p95", app.quantile(0.95, CLIENT_DURATION, by=host, over=RANGE), "s"),
                worst="5xx",
            ),
            height=6,
        ),
    )
