"""Alerts about the service as a whole and about what it tells of itself."""

from __future__ import annotations

from itertools import starmap

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Alert, Dashboard, Label, Metric
from etter_obs._internal.slo.alerts.rule import GREW, GREW_BY, GROWS, AlertRule, Example, Firing
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.slo.spec.policy import Severity
from etter_obs._internal.text.promql import differs, equals, scraped, series


def service_alerts(spec: Spec) -> list[AlertRule]:
    """Return the alerts that concern no single SLO of ``spec``'s service."""
    return [
        _down(spec),
        _instance_down(spec),
        _spec_mismatch(spec),
        _telemetry_dropped(spec),
        _series_cap_reached(spec),
    ]


def _labels(spec: Spec) -> dict[str, str]:
    return {
        Label.SERVICE.value: spec.service,
        Label.ENVIRONMENT.value: spec.environment,
        Label.TEAM.value: spec.team,
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
        description="For a minute no instance of the service has been scraped. Either none runs, "
        "or Prometheus cannot reach them, or it has no target for them.",
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
        description="This instance has not been scraped for ten minutes. What it counted since its "
        "last scrape is in no SLO.",
        lasting="10m",
        dashboard=Dashboard.SERVICE,
        queries={"instances": _up(spec)},
        example=Example(
            fires=[
                Firing(
                    {_up(spec, "a"): "0x120", _up(spec, "b"): "1x120"},
                    {
                        Label.JOB.value: spec.service,
                        Label.ENVIRONMENT.value: spec.environment,
                        Label.INSTANCE.value: "a",
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
        summary=f"{spec.service} runs with another slo.yaml than its rules were made from",
        description="{{ $value }} instance(s) took their histogram buckets from another spec. "
        "Until they agree, a threshold may have no bucket, and budgets may mean two things.",
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
    dropped = {Label.SIGNAL.value: "log", Label.REASON.value: "queue_full"}
    sample = _own(spec, conventions.TELEMETRY_DROPPED, *starmap(equals, dropped.items()))
    return AlertRule(
        name=Alert.TELEMETRY_DROPPED,
        expr=f"sum by ({by}) ({increase}) > 0",
        severity=Severity.TICKET.value,
        labels=_labels(spec),
        summary=f"{spec.service} drops {{{{ $labels.signal }}}}: {{{{ $labels.reason }}}}",
        description="{{ $value | humanize }} were dropped within 15 minutes so that the app need "
        "not wait. What is missing cannot be looked up later.",
        queries={"dropped": f"sum by ({by}) ({increase})"},
        example=Example(fires=[Firing({sample: GROWS}, dropped, GREW_BY)], quiet=[{sample: GREW}]),
    )


def _series_cap_reached(spec: Spec) -> AlertRule:
    increase = f"increase({_own(spec, conventions.SERIES_DROPPED)}[15m])"
    capped = {Label.METRIC.value: conventions.REQUESTS.suffix}
    sample = _own(spec, conventions.SERIES_DROPPED, *starmap(equals, capped.items()))
    return AlertRule(
        name=Alert.SERIES_CAP_REACHED,
        expr=f"sum by ({Label.METRIC}) ({increase}) > 0",
        severity=Severity.TICKET.value,
        labels=_labels(spec),
        summary=f"{spec.service}: {{{{ $labels.metric }}}} has reached its cap of series",
        description="New label sets of this metric go into its overflow series. A label holds "
        "values without bound (an id, a raw path), or the cap is too low for the service.",
        queries={"label sets held": _own(spec, conventions.SERIES)},
        example=Example(fires=[Firing({sample: GROWS}, capped)], quiet=[{sample: GREW}]),
    )
