"""Alerts about the stack itself: while the stack is broken, every service looks healthy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from etter_obs._internal.conventions import Alert, Dashboard, Label, Rule
from etter_obs._internal.conventions.external import Alertmanager, Collector, Job, Loki, Prometheus
from etter_obs._internal.slo.alerts.burn_rate import alert_group
from etter_obs._internal.slo.alerts.rule import GREW, GREW_BY, GROWS, AlertRule, Example, Firing
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.slo.spec.policy import Severity
from etter_obs._internal.text.promql import any_series, equals, matches, series
from etter_obs._internal.text.yaml import yaml_document

PATH: Final = "alerts/rules/stack.yml"
SERVICE: Final = "stack"
"""The service label of these alerts."""
_NONE: Final = "none"
_WINDOW: Final = "15m"
_UNTIL_BLOCK: Final = "3h"
"""Within it, Prometheus writes the samples of its memory into a block, which a restart keeps."""
_PROMETHEUS: Final = equals(Label.JOB, Job.PROMETHEUS)
_ALERTMANAGER: Final = equals(Label.JOB, Job.ALERTMANAGER)
_COLLECTOR: Final = equals(Label.JOB, Job.COLLECTOR)
_LOKI: Final = equals(Label.JOB, Job.LOKI)
_TO_ALERTMANAGER: Final = "prometheus-to-alertmanager"
# No counter of Prometheus knows what it missed while it was stopped; the missing samples do.
_RECORDED: Final = f"count_over_time({Rule.OBJECTIVE}[{_WINDOW}] offset"
_GAP: Final = f"{_RECORDED} 16m) - {_RECORDED} 1m) > 0 and {Rule.OBJECTIVE}"
_SHOP: Final = series(Rule.OBJECTIVE, (equals(Label.SERVICE, "shop"), equals(Label.SLO, "latency")))
_SEND_FAILED: Final = (Collector.FAILED_SPANS, Collector.FAILED_LOGS, Collector.FAILED_METRICS)
_NOT_QUEUED: Final = (
    Collector.NOT_QUEUED_SPANS,
    Collector.NOT_QUEUED_LOGS,
    Collector.NOT_QUEUED_METRICS,
)
_REFUSED: Final = (Collector.REFUSED_SPANS, Collector.REFUSED_LOGS, Collector.REFUSED_METRICS)


def stack(spec: Spec) -> dict[str, str]:
    """Return the rule file of the stack's own alerts."""
    return {PATH: yaml_document({"groups": [alert_group(spec, SERVICE, stack_alerts(spec))]})}


def stack_alerts(spec: Spec) -> list[AlertRule]:
    """Return the alerts about Prometheus, Alertmanager, the collector and Loki."""
    labels = {
        Label.SERVICE: SERVICE,
        Label.ENVIRONMENT: spec.environment,
        Label.TEAM: spec.team,
    }
    return [
        _watchdog(labels),
        *_prometheus(labels),
        *_delivery(labels),
        *_pipeline(labels),
    ]


def _watchdog(labels: dict[str, str]) -> AlertRule:
    return AlertRule(
        name=Alert.WATCHDOG,
        expr="vector(1)",
        severity=_NONE,
        labels=labels,
        summary="The alert pipeline works",
        description="This alert always fires. When it stops arriving, Prometheus, Alertmanager or "
        "the connection to the receiver is broken, and no other alert arrives either.",
        queries={"Prometheus is up": series("up", (_PROMETHEUS,))},
    )


def _ticket(
    name: str,
    expr: str,
    labels: dict[str, str],
    summary: str,
    description: str,
    samples: Mapping[str, Mapping[str, str]],
    query: str,
) -> AlertRule:
    """Return an alert on a counter that should not grow.

    ``samples`` has a series of the counter for each branch of ``expr``, with the labels that the
    branch returns for it.
    """
    return AlertRule(
        name=name,
        expr=expr,
        severity=Severity.TICKET.value,
        labels=labels,
        summary=summary,
        description=description,
        dashboard=Dashboard.TELEMETRY,
        queries={"counted series": query},
        example=Example(
            fires=[Firing({sample: GROWS}, labels, GREW_BY) for sample, labels in samples.items()],
            quiet=[dict.fromkeys(samples, GREW)],
        ),
    )


def _grows(selector: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) (increase({selector}[{_WINDOW}])) > 0"


def _prometheus(labels: dict[str, str]) -> list[AlertRule]:
    def own(metric: str, *matchers: str) -> str:
        return series(metric, (_PROMETHEUS, *matchers))

    group, here = equals("rule_group", "g"), equals(Label.INSTANCE, "a")
    at_a = {Label.JOB: Job.PROMETHEUS, Label.INSTANCE: "a"}
    wal = Prometheus.WAL_WRITES_FAILED, Prometheus.WAL_CORRUPTIONS
    unwritten, corrupted = map(own, wal)
    missed, failed = Prometheus.RULE_ITERATIONS_MISSED, Prometheus.RULE_FAILURES
    limits = (
        Prometheus.SAMPLE_LIMIT_EXCEEDED,
        Prometheus.BODY_LIMIT_EXCEEDED,
        Prometheus.LABEL_LIMIT_EXCEEDED,
    )
    # Infrastructure's jobs carry no environment; the services have ServiceDown.
    target = series("up", (equals(Label.ENVIRONMENT, ""),))
    reloaded = (
        f"{{{matches('__name__', '(prometheus|alertmanager)_config_last_reload_successful')}}}"
    )
    return [
        AlertRule(
            name=Alert.RULE_EVALUATIONS_MISSED,
            expr=f"{_grows(own(missed), 'rule_group')}\nor\n"
            f"max by (rule_group) (label_join({_GAP}, "
            f'"rule_group", "/", "{Label.SERVICE}", "{Label.SLO}"))',
            severity=Severity.TICKET.value,
            labels=labels,
            summary="Prometheus misses evaluations of {{ $labels.rule_group }}",
            description="Each missed evaluation loses the events of its 30 seconds from every SLO "
            "of the group, and alerts come late. Prometheus is overloaded, was stopped, or could "
            "not write. Check first its CPU, memory and disk.",
            queries={
                "counted series": f"increase({own(missed)}[{_WINDOW}])",
                "evaluations that left no sample": _GAP,
            },
            example=Example(
                fires=[
                    Firing({own(missed, group): GROWS}, {"rule_group": "g"}),
                    Firing({_SHOP: "1x40 _x50 1x30"}, {"rule_group": "shop/latency"}),
                ],
                # A new SLO, and one that was removed, miss none.
                quiet=[{own(missed): GREW, _SHOP: "1x120"}, {_SHOP: "_x70 1x50"}, {_SHOP: "1x50"}],
            ),
        ),
        _ticket(
            Alert.RULE_EVALUATIONS_FAILING,
            _grows(own(failed), "rule_group"),
            labels,
            "Rules of {{ $labels.rule_group }} fail",
            "Prometheus cannot evaluate these rules: their recordings are missing, and their "
            "alerts cannot fire. Read the error on Prometheus's rules page, then fix the rule.",
            {own(failed, group): {"rule_group": "g"}},
            f"increase({own(failed)}[{_WINDOW}])",
        ),
        _ticket(
            Alert.SCRAPE_LIMIT_EXCEEDED,
            " or ".join(f"increase({own(limit)}[{_WINDOW}]) > 0" for limit in limits),
            labels,
            "Prometheus rejects whole scrapes",
            "A target exposes more samples, bytes or labels than its limit, so Prometheus stores "
            "none of them, and alerts on the target have no data. A label has unbounded values, or "
            "the limit is too low. Find the target on Prometheus's targets page first.",
            {own(limit): {Label.JOB: "prometheus"} for limit in limits},
            any_series(limits, _PROMETHEUS),
        ),
        AlertRule(
            name=Alert.STORAGE_FAILING,
            # A corruption is counted at the start, before the first scrape, so it never grows.
            expr=f"increase({unwritten}[{_UNTIL_BLOCK}]) > 0 or {corrupted} > 0",
            severity=Severity.TICKET.value,
            labels=labels,
            summary="Prometheus ({{ $labels.instance }}) loses samples at a restart",
            description="It could not write its log of new samples, mostly because its disk is "
            "full. What came since then is in memory only, and a restart loses it, up to three "
            "hours; if it has been restarted, it is lost. Free the disk, and take a snapshot "
            "before you restart.",
            queries={"failed writes and losses": any_series(wal, _PROMETHEUS)},
            example=Example(
                fires=[
                    Firing({own(Prometheus.WAL_WRITES_FAILED, here): GROWS}, at_a),
                    Firing({own(Prometheus.WAL_CORRUPTIONS, here): "1x120"}, at_a),
                ],
                quiet=[{own(Prometheus.WAL_WRITES_FAILED): "5x120", corrupted: "0x120"}],
            ),
        ),
        AlertRule(
            name=Alert.TARGET_DOWN,
            expr=f"{target} == 0",
            severity=Severity.TICKET.value,
            labels=labels,
            summary="Prometheus cannot scrape {{ $labels.job }} ({{ $labels.instance }})",
            description="A component of the stack has not answered Prometheus for five minutes. "
            "The service may work, but its logs, traces or alerts may be lost. Check first whether "
            "the component runs.",
            lasting="5m",
            queries={"targets": target},
            example=Example(
                fires=[
                    Firing(
                        {'up{job="loki",instance="a"}': "0x120"},
                        {Label.JOB: "loki", Label.INSTANCE: "a"},
                    )
                ],
                quiet=[
                    {
                        'up{job="loki",instance="a"}': "1x120",
                        'up{job="shop",environment="test",instance="a"}': "0x120",
                    }
                ],
            ),
        ),
        AlertRule(
            name=Alert.CONFIG_RELOAD_FAILED,
            expr=f"{reloaded} == 0",
            severity=Severity.TICKET.value,
            labels=labels,
            summary="{{ $labels.job }} runs with an old configuration",
            description="Its last reload failed, so changed rules or routes are not active. Read "
            "its log for the line that is wrong, fix the file, then reload.",
            lasting="5m",
            queries={"result of the last reload": reloaded},
            example=Example(
                fires=[
                    Firing({_reload(job): "0x120"}, {Label.JOB: job})
                    for job in ("prometheus", "alertmanager")
                ],
                quiet=[{_reload("prometheus"): "1x120", _reload("alertmanager"): "1x120"}],
            ),
        ),
    ]


def _reload(job: str) -> str:
    return series(f"{job}_config_last_reload_successful", (equals(Label.JOB, job),))


def _delivery(labels: dict[str, str]) -> list[AlertRule]:
    failed = series(Alertmanager.FAILED, (_ALERTMANAGER,))
    dropped = series(Prometheus.NOTIFICATIONS_DROPPED, (_PROMETHEUS,))
    slack = failed.replace("}", f",{equals('integration', 'slack')}}}")
    lost = f"sum(increase({dropped}[{_WINDOW}])) > 0"
    return [
        _ticket(
            Alert.ALERT_DELIVERY_FAILING,
            # Both branches have the label that the texts use for the failing integration.
            f"{_grows(failed, 'integration')}\nor\n"
            f'label_replace({lost}, "integration", "{_TO_ALERTMANAGER}", "", "")',
            labels,
            "Alerts do not reach people ({{ $labels.integration }})",
            "Notifications failed within 15 minutes: an outage may go unnoticed. "
            f"{_TO_ALERTMANAGER}: Prometheus cannot reach Alertmanager. Any other name: "
            "Alertmanager cannot deliver through that integration. Check the secret of the "
            "receiver, the receiver itself and the network in between.",
            {
                slack: {"integration": "slack"},
                dropped: {"integration": _TO_ALERTMANAGER},
            },
            any_series((Alertmanager.FAILED, Prometheus.NOTIFICATIONS_DROPPED)),
        )
    ]


def _pipeline(labels: dict[str, str]) -> list[AlertRule]:
    def collector(metric: str, *matchers: str) -> str:
        return series(metric, (_COLLECTOR, *matchers))

    size, capacity = collector(Collector.QUEUE_SIZE), collector(Collector.QUEUE_CAPACITY)
    through_loki = {"exporter": "otlp_http/loki"}
    loki = equals("exporter", through_loki["exporter"])
    discarded = series(Loki.DISCARDED, (_LOKI,))
    return [
        AlertRule(
            name=Alert.COLLECTOR_EXPORT_FAILING,
            expr="\nor\n".join(
                [
                    *(
                        _grows(collector(name), "exporter")
                        for name in (*_SEND_FAILED, *_NOT_QUEUED)
                    ),
                    f"max by (exporter) ({size} / {capacity}) > 0.5",
                ]
            ),
            severity=Severity.TICKET.value,
            labels=labels,
            summary="The collector cannot export through {{ $labels.exporter }}",
            description="The collector dropped telemetry, or its queue is more than half full: the "
            "back end is down or too slow. Users notice nothing, but traces, logs or metrics "
            "arrive late or not at all. Check first whether the back end runs.",
            queries={"queue utilisation": f"{size} / {capacity}"},
            example=Example(
                fires=[
                    *(
                        Firing({collector(name, loki): GROWS}, through_loki)
                        for name in (*_SEND_FAILED, *_NOT_QUEUED)
                    ),
                    Firing(
                        {
                            collector(Collector.QUEUE_SIZE, loki): "6x120",
                            collector(Collector.QUEUE_CAPACITY, loki): "10x120",
                        },
                        through_loki,
                    ),
                ],
                quiet=[
                    {
                        **{collector(name, loki): GREW for name in (*_SEND_FAILED, *_NOT_QUEUED)},
                        size: "4x120",
                        capacity: "10x120",
                    }
                ],
            ),
        ),
        _ticket(
            Alert.COLLECTOR_REFUSING,
            "\nor\n".join(_grows(collector(name), "receiver") for name in _REFUSED),
            labels,
            "The collector refuses data ({{ $labels.receiver }})",
            "The collector is short of memory, or the queues of its exporters are full. Senders "
            "retry, then drop their data. Check first its memory, then which service sends most.",
            {
                collector(name, equals("receiver", "otlp")): {"receiver": "otlp"}
                for name in _REFUSED
            },
            any_series(_REFUSED, _COLLECTOR),
        ),
        _ticket(
            Alert.LOGS_DISCARDED,
            _grows(discarded, "reason"),
            labels,
            "Loki discards log lines: {{ $labels.reason }}",
            "Lines exceeded a limit of Loki, so Loki did not store them and searches miss them. "
            "Find the service that sends them first, then log less or raise the limit.",
            {
                series(Loki.DISCARDED, (_LOKI, equals("reason", "rate_limited"))): {
                    "reason": "rate_limited"
                }
            },
            f"increase({discarded}[{_WINDOW}])",
        ),
    ]
