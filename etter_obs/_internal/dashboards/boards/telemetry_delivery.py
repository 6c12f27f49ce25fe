"""Telemetry of the telemetry, the way out: collector, Loki, alert delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etter_obs._internal.conventions import Alert, Label
from etter_obs._internal.conventions.external import Alertmanager, Collector, Job, Loki, Prometheus
from etter_obs._internal.dashboards.toolkit.board import Section, line, section
from etter_obs._internal.dashboards.toolkit.links import runbook
from etter_obs._internal.dashboards.toolkit.palette import BLUE, ORANGE, SKY, VERMILION
from etter_obs._internal.dashboards.toolkit.panel_docs import ZERO, About, Limit
from etter_obs._internal.dashboards.toolkit.panels import lines
from etter_obs._internal.dashboards.toolkit.promql import or_zero, peak, rate, select, share, total
from etter_obs._internal.dashboards.toolkit.queries import Series, per
from etter_obs._internal.text.promql import equals

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec


def collector(spec: Spec) -> Section:
    """Whether traces and logs are delivered."""
    job = equals(Label.JOB, Job.COLLECTOR)
    spans = total(rate(select(Collector.ACCEPTED_SPANS, job)))
    logs = total(rate(select(Collector.ACCEPTED_LOGS, job)))

    loki = equals(Label.JOB, Job.LOKI)
    taken = total(rate(select(Loki.LINES, loki)))

    def lost(*names: str) -> str:
        return " + ".join(or_zero(total(rate(select(name, job))), spans) for name in names)

    return section(
        "Collector and Loki",
        line(
            lines(
                About(
                    "Received and sent",
                    "Spans and log records per second that the collector received and sent.",
                    "Sent below received for long: check the queue; the back end is slow or down.",
                    "cps",
                ),
                Series(spans, "spans received", BLUE),
                Series(total(rate(select(Collector.SENT_SPANS, job))), "spans sent", SKY),
                Series(logs, "log records received", VERMILION),
                Series(total(rate(select(Collector.SENT_LOGS, job))), "log records sent", ORANGE),
            ),
            lines(
                About(
                    "Refused and failed",
                    "Spans and log records per second that were refused on receipt or could not "
                    "be delivered.",
                    "Refused: by the memory limiter; add memory or send less. Failed: Loki or "
                    "Tempo refuses data or is down.",
                    "cps",
                    ZERO,
                    links=[
                        runbook(spec, Alert.COLLECTOR_REFUSING),
                        runbook(spec, Alert.COLLECTOR_EXPORT_FAILING),
                    ],
                ),
                Series(lost(Collector.REFUSED_SPANS, Collector.REFUSED_LOGS), "refused", ORANGE),
                Series(lost(Collector.FAILED_SPANS, Collector.FAILED_LOGS), "failed", VERMILION),
            ),
            lines(
                About(
                    "Queue",
                    "How full each exporter's queue on disk is.",
                    "A queue that fills: its back end is down. It survives a restart; when it is "
                    "full, new data is lost.",
                    "percentunit",
                    Limit(bad=0.9, warn=0.5),
                    links=[runbook(spec, Alert.COLLECTOR_EXPORT_FAILING)],
                ),
                Series(
                    share(
                        peak(select(Collector.QUEUE_SIZE, job), "exporter"),
                        peak(select(Collector.QUEUE_CAPACITY, job), "exporter"),
                    ),
                    per("exporter"),
                ),
                maximum=1,
            ),
            lines(
                About(
                    "Loki",
                    "Lines per second that Loki accepted and refused.",
                    "Refused: too old, too long, or over the rate limit; see Loki's log.",
                    "cps",
                ),
                Series(taken, "taken", BLUE),
                Series(
                    or_zero(total(rate(select(Loki.DISCARDED, loki))), taken),
                    "refused",
                    VERMILION,
                ),
            ),
        ),
    )


def alerts(spec: Spec) -> Section:
    """Whether alerts reach people."""
    job = equals(Label.JOB, Job.ALERTMANAGER)
    dropped = select(Prometheus.NOTIFICATIONS_DROPPED, equals(Label.JOB, Job.PROMETHEUS))
    notified = select(Alertmanager.NOTIFICATIONS, job)
    used = f"{total(notified, 'integration')} > 0"
    sent = f"({total(rate(notified), 'integration')} and {used})"
    return section(
        "Alert delivery",
        line(
            lines(
                About(
                    "Notifications",
                    "Notifications per minute by integration, and failed ones.",
                    "Alerts are not received: check the receiver's secret file and its address; "
                    "send a test alert with amtool.",
                    "none",
                ),
                Series(
                    f"60 * {sent}",
                    per("integration"),
                ),
                Series(
                    f"60 * {total(rate(select(Alertmanager.FAILED, job)))}", "failed", VERMILION
                ),
            ),
            lines(
                About(
                    "Delivery, p95",
                    "95 of 100 notifications are delivered within this time.",
                    "Slow delivery delays pages: check the status page of the receiver.",
                    "s",
                ),
                Series(
                    "histogram_quantile(0.95, "
                    + total(
                        rate(select(f"{Alertmanager.LATENCY}_bucket", job)), "le", "integration"
                    )
                    + ") >= 0",  # not those that never delivered anything
                    per("integration"),
                ),
            ),
            lines(
                About(
                    "From Prometheus to Alertmanager",
                    "Alerts per minute that Prometheus sent, and those it dropped.",
                    "Dropped: Alertmanager is down or unreachable; no alert is delivered until it"
                    " is back.",
                    "none",
                    ZERO,
                    links=[runbook(spec, Alert.ALERT_DELIVERY_FAILING)],
                ),
                Series(
                    f"60 * {total(rate(dropped))}",
                    "dropped",
                    VERMILION,
                ),
            ),
            height=7,
        ),
        collapsed=True,
    )
