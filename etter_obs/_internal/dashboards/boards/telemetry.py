"""Telemetry of the telemetry: whether the other dashboards can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs._internal.conventions import (
    LOG_QUEUE,
    SERIES,
    SERIES_DROPPED,
    SLO_DEFAULT_TARGETS,
    SLO_SPEC_INFO,
    TELEMETRY_DROPPED,
    Alert,
    Dashboard,
    Label,
    constants_of,
)
from etter_obs._internal.conventions.external import Job, Prometheus, Scrape
from etter_obs._internal.dashboards.boards.telemetry_delivery import alerts, collector
from etter_obs._internal.dashboards.toolkit import variables
from etter_obs._internal.dashboards.toolkit.board import Board, Section, line, section
from etter_obs._internal.dashboards.toolkit.links import runbook
from etter_obs._internal.dashboards.toolkit.palette import BLUE, ORANGE, SEQUENCE, VERMILION
from etter_obs._internal.dashboards.toolkit.panel_docs import ZERO, About, Limit
from etter_obs._internal.dashboards.toolkit.panels import lines, single
from etter_obs._internal.dashboards.toolkit.promql import (
    App,
    or_zero,
    peak,
    rate,
    select,
    share,
    top,
    total,
)
from etter_obs._internal.dashboards.toolkit.queries import Series, per
from etter_obs._internal.text.promql import equals

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

JOB_COLORS: Final = dict(zip(constants_of(Job), SEQUENCE, strict=True))
_LATE: Final = Limit(bad=1, warn=0.5)


def telemetry(spec: Spec) -> Board:
    """Whether the sources of the other dashboards are up and complete."""
    app = App(spec.metric_prefix)
    return Board(
        Dashboard.TELEMETRY,
        "Telemetry of the telemetry",
        "Whether the other dashboards can be trusted.",
        [_app(spec, app), _prometheus(spec), collector(spec), alerts(spec)],
        [variables.service(spec.service), variables.environment(spec.environment)],
        [variables.starts(app), variables.alerts()],
        span="1h",
    )


def _app(spec: Spec, app: App) -> Section:
    return section(
        "In the app",
        line(
            single(
                About(
                    "Dropped in the app",
                    "Log lines, spans and events dropped within the time range so that no "
                    "request had to wait.",
                    "The writer or the collector cannot keep up: check the collector's queue "
                    "below, and find what logs so much.",
                    "none",
                    ZERO,
                    links=[runbook(spec, Alert.TELEMETRY_DROPPED)],
                ),
                app.count(TELEMETRY_DROPPED),
                decimals=0,
            ),
            single(
                About(
                    "Counted in the overflow series",
                    "Observations that a metric's series cap sent to its overflow series.",
                    "A label has too many values: the series panel beside names the metric. "
                    "Remove ids from labels.",
                    "none",
                    ZERO,
                    links=[runbook(spec, Alert.SERIES_CAP_REACHED)],
                ),
                or_zero(app.count(SERIES_DROPPED), f"sum({app(SERIES)})"),
                decimals=0,
            ),
            single(
                About(
                    "Specs in use",
                    "Different slo.yaml files among the running instances; more than one during "
                    "a roll-out only.",
                    "An instance measures with other thresholds than those of the rules: "
                    "deploy the one that lags.",
                    "none",
                    Limit(bad=2),
                    links=[runbook(spec, Alert.SLO_SPEC_MISMATCH)],
                ),
                f"count(count by ({Label.SHA256}) ({app(SLO_SPEC_INFO)}))",
                decimals=0,
            ),
            single(
                About(
                    "On example targets",
                    "Instances without ETTER_OBS_SLO_FILE: their latency buckets follow the "
                    "package's example, not this service's slo.yaml.",
                    "Latency SLOs with other thresholds have no bucket there: set "
                    "ETTER_OBS_SLO_FILE where the app runs.",
                    "none",
                    Limit(bad=1),
                    links=[runbook(spec, Alert.SLO_SPEC_MISMATCH)],
                ),
                f"sum({app(SLO_DEFAULT_TARGETS)})",
                decimals=0,
            ),
            height=4,
        ),
        line(
            lines(
                About(
                    "Dropped by signal",
                    "Log lines, spans and events dropped per second.",
                    "A burst drops little; a steady rate: the destination is slow or down.",
                    "cps",
                    ZERO,
                    links=[runbook(spec, Alert.TELEMETRY_DROPPED)],
                ),
                Series(
                    app.rate(TELEMETRY_DROPPED, by=(Label.SIGNAL, Label.REASON)),
                    per(Label.SIGNAL, Label.REASON),
                ),
            ),
            lines(
                About(
                    "Log lines waiting",
                    "Lines in the queue between the requests and the writer.",
                    "A queue that stays full: standard output is blocked, or a loop logs.",
                    "none",
                ),
                Series(f"sum({app(LOG_QUEUE)})", "waiting", BLUE),
            ),
            lines(
                About(
                    "Series by metric",
                    "Label sets that each of the app's metrics holds, the ten largest.",
                    "Growth without new routes: a label contains ids. The cap protects "
                    "Prometheus; the overflow series hides the rest.",
                    "none",
                ),
                Series(top(10, peak(app(SERIES), Label.METRIC)), per(Label.METRIC)),
            ),
            height=7,
        ),
    )


def _prometheus(spec: Spec) -> Section:
    job = equals(Label.JOB, Job.PROMETHEUS)
    used = share(
        peak(select(Prometheus.RULE_GROUP_DURATION, job), "rule_group"),
        peak(select(Prometheus.RULE_GROUP_INTERVAL, job), "rule_group"),
    )
    # The label holds the file's path before the group's name.
    named = f'label_replace({top(8, used)}, "group", "${{1}}", "rule_group", ".*;(.*)")'
    return section(
        "Prometheus",
        line(
            lines(
                About(
                    "Targets up by job",
                    "Share of a job's targets that could be scraped.",
                    "Data of a job that is down is old or missing: start it before you trust "
                    "other panels.",
                    "percentunit",
                    Limit(bad=0.5, warn=1, floor=True),
                    links=[runbook(spec, Alert.TARGET_DOWN)],
                ),
                Series(f"avg by ({Label.JOB}) ({Scrape.UP})", per(Label.JOB)),
                maximum=1,
                names=JOB_COLORS,
            ),
            lines(
                About(
                    "Scrapes",
                    "Time of the slowest scrape by job.",
                    "Near the timeout (10 s) scrapes fail: the target has too many series or too "
                    "little CPU.",
                    "s",
                    Limit(bad=10, warn=5),
                    links=[runbook(spec, Alert.SCRAPE_LIMIT_EXCEEDED)],
                ),
                Series(peak(Scrape.DURATION, Label.JOB), per(Label.JOB)),
                names=JOB_COLORS,
            ),
            lines(
                About(
                    "Samples by job",
                    "Samples of a scrape by job, and all series that Prometheus holds in memory.",
                    "A step without a deployment: a label gets more values.",
                    "none",
                ),
                Series(total(Scrape.SAMPLES, Label.JOB), f"{per(Label.JOB)} samples"),
                Series(
                    f"sum({select(Prometheus.HEAD_SERIES, job)})", "series in memory", VERMILION
                ),
            ),
        ),
        line(
            lines(
                About(
                    "Rules' share of their interval",
                    "How long a rule group takes, as a share of its interval; the eight slowest.",
                    "At 1, evaluations are missed and budgets lose events: give Prometheus more "
                    "CPU, or reduce the number of routes.",
                    "percentunit",
                    _LATE,
                    links=[runbook(spec, Alert.RULE_EVALUATIONS_MISSED)],
                ),
                Series(named, per("group")),
            ),
            lines(
                About(
                    "Missed and failed evaluations",
                    "Rule evaluations per minute that were missed or failed.",
                    "Missed: events are lost from the budgets. Failed: Prometheus's log names "
                    "the rule.",
                    "none",
                    ZERO,
                    links=[
                        runbook(spec, Alert.RULE_EVALUATIONS_MISSED),
                        runbook(spec, Alert.RULE_EVALUATIONS_FAILING),
                    ],
                ),
                Series(
                    f"60 * {total(rate(select(Prometheus.RULE_ITERATIONS_MISSED, job)))}",
                    "missed",
                    ORANGE,
                ),
                Series(
                    f"60 * {total(rate(select(Prometheus.RULE_FAILURES, job)))}",
                    "failed",
                    VERMILION,
                ),
            ),
        ),
    )
