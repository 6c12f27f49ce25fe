"""Alerts about the whole service and about its own telemetry."""

from __future__ import annotations

from itertools import starmap

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Alert, Dashboard, Label, Metric
from etter_obs._internal.slo.alerts.rule import GREW, GREW_BY, GROWS, AlertRule, Example, Firing
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.slo.spec.policy import Severity
from etter_obs._internal.text.promql import differs, equals, scraped, series


def service_alerts(spec: Spec) -> list[AlertRule]:
    """Return the alerts of ``spec``'s service that belong to no single SLO.

    There are none of a service that is not instrumented: nothing of its own is scraped.
    """
    if not spec.instrumented:
        return []
    return [
        _down(spec),
        _instance_down(spec),
        _spec_mismatch(spec),
        _telemetry_dropped(spec),
        _series_cap_reached(spec),
    ]


def _labels(spec: Spec) -> dict[str, str]:
    return {
        Label.SERVICE: spec.service,
        Label.ENVIRONMENT: spec.environment,
        Label.TEAM: spec.team,
    }


def _own(spec: Spec, metric: Metric, *matchers: str) -> str:
    name = metric.name(spec.metric_prefix)
    return series(name, (*scraped(spec.service, spec.environment), *matchers))


def _up(spec: Spec, instance: str = "") -> str:
    more = (f'{Label.INSTANCE}="{instance}"',) if instance else ()
    return series("up", (*scraped(spec.service, spec.environment), *more))


def _down(spec: Spec) -> AlertRule:
    return AlertRule(
        name=Alert.SERVICE_DOWN,
        expr=f"absent({_up(spec)} == 1)",
        severity=Severity.PAGE.value,
        labels=_labels(spec),
        summary=f"{spec.service} is down: no instance answers Prometheus",
        description="Prometheus has scraped no instance of the service for a minute, so users may "
        "get no answers. No instance runs, Prometheus cannot reach them, or it has no target for "
        "them. Check first whether an instance runs.",
        lasting="1m",
        dashboard=Dashboard.SERVICE,
        queries={"instances": _up(spec)},
        example=Example(
            fires=[
                Firing({_up(spec, "a"): "0x120", _up(spec, "b"): "0x120"}),
                Firing({'up{job="x"}': "1x120"}),
            ],
            quiet=[{_up(spec, "a"): "0x120", _up(spec, "b"): "1x120"}],
        ),
    )


def _instance_down(spec: Spec) -> AlertRule:
    return AlertRule(
        name=Alert.SERVICE_INSTANCE_DOWN,
        expr=f"{_up(spec)} == 0\nand on ()\nmax({_up(spec)}) == 1",
        severity=Severity.TICKET.value,
        labels=_labels(spec),
        summary=f"{spec.service}: instance {{{{ $labels.instance }}}} is down, others answer",
        description="Prometheus has not scraped this instance for ten minutes; other instances "
        "answer. The SLOs lack the events that it counted since its last scrape. Check first "
        "whether it was replaced on purpose, then read its last log lines.",
        lasting="10m",
        dashboard=Dashboard.SERVICE,
        queries={"instances": _up(spec)},
        example=Example(
            fires=[
                Firing(
                    {_up(spec, "a"): "0x120", _up(spec, "b"): "1x120"},
                    {
                        Label.JOB: spec.service,
                        Label.ENVIRONMENT: spec.environment,
                        Label.INSTANCE: "a",
                    },
                )
            ],
            quiet=[
                {_up(spec, "a"): "1x120", _up(spec, "b"): "1x120"},
                {_up(spec, "a"): "0x120", _up(spec, "b"): "0x120"},
            ],
        ),
    )


def _spec_mismatch(spec: Spec) -> AlertRule:
    def running(sha256: str) -> str:
        return _own(spec, conventions.SLO_SPEC_INFO, f'{Label.SHA256}="{sha256}"')

    other = _own(spec, conventions.SLO_SPEC_INFO, differs(Label.SHA256, spec.sha256))
    return AlertRule(
        name=Alert.SLO_SPEC_MISMATCH,
        expr=f"count({other}) > 0",
        severity=Severity.TICKET.value,
        labels=_labels(spec),
        summary=f"{spec.service} runs with another slo.yaml than its rules",
        description="{{ $value }} instance(s) took their histogram buckets from another spec than "
        "the rules. A threshold may have no bucket, and the SLO and its budget may be wrong. "
        "Deploy the app and the rules from one slo.yaml.",
        lasting="15m",
        dashboard=Dashboard.SERVICE,
        queries={"specs in use": _own(spec, conventions.SLO_SPEC_INFO)},
        example=Example(
            fires=[Firing({running("0" * 64): "1x120"}, value="1")],
            quiet=[{running(spec.sha256): "1x120"}],
        ),
    )


def _telemetry_dropped(spec: Spec) -> AlertRule:
    by = f"{Label.SIGNAL}, {Label.REASON}"
    increase = f"increase({_own(spec, conventions.TELEMETRY_DROPPED)}[15m])"
    dropped = {Label.SIGNAL: "log", Label.REASON: "queue_full"}
    sample = _own(spec, conventions.TELEMETRY_DROPPED, *starmap(equals, dropped.items()))
    return AlertRule(
        name=Alert.TELEMETRY_DROPPED,
        expr=f"sum by ({by}) ({increase}) > 0",
        severity=Severity.TICKET.value,
        labels=_labels(spec),
        summary=f"{spec.service} drops telemetry ({{{{ $labels.signal }}}}): "
        "{{ $labels.reason }}",
        description="The app dropped {{ $value | humanize }} within 15 minutes. Requests do not "
        "wait for telemetry, so users notice nothing, but the dropped data is lost. Check first "
        "whether the collector answers, then whether the app logs in a loop.",
        queries={"dropped": f"sum by ({by}) ({increase})"},
        example=Example(fires=[Firing({sample: GROWS}, dropped, GREW_BY)], quiet=[{sample: GREW}]),
    )


def _series_cap_reached(spec: Spec) -> AlertRule:
    increase = f"increase({_own(spec, conventions.SERIES_DROPPED)}[15m])"
    capped = {Label.METRIC: conventions.REQUESTS.suffix}
    sample = _own(spec, conventions.SERIES_DROPPED, *starmap(equals, capped.items()))
    return AlertRule(
        name=Alert.SERIES_CAP_REACHED,
        expr=f"sum by ({Label.METRIC}) ({increase}) > 0",
        severity=Severity.TICKET.value,
        labels=_labels(spec),
        summary=f"{spec.service}: {{{{ $labels.metric }}}} reached its series cap",
        description="The app counts new label sets of this metric in one overflow series, so "
        "dashboards lose detail. A label has unbounded values (an id, a raw path), or the cap is "
        "too low for the service. Find the label with the most values first.",
        queries={"label sets in use": _own(spec, conventions.SERIES)},
        example=Example(fires=[Firing({sample: GROWS}, capped)], quiet=[{sample: GREW}]),
    )
