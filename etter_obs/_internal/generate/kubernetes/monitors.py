"""What the Prometheus Operator reads: ServiceMonitor, PodMonitor, PrometheusRule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from etter_obs._internal.conventions import Label
from etter_obs._internal.generate import scrape
from etter_obs._internal.generate.kubernetes import app, collector
from etter_obs._internal.generate.kubernetes.resources import HTTP, NAME, Resource, resource
from etter_obs._internal.generate.prometheus_rule import rule_groups
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.slo.spec.policy import SCRAPE_INTERVAL
from etter_obs._internal.text.units import duration_text

_MONITORING: Final = "monitoring.coreos.com/v1"
_NAMESPACE: Final = "namespace"
"""The label by which the operator routes the alerts of a namespace to its AlertmanagerConfig."""


def namespace(specs: Sequence[Spec]) -> str:
    """Return the namespace of an environment; its services share it."""
    first = specs[0]
    return first.kubernetes.namespace or f"{first.service}-{first.environment}"


def service_monitor(spec: Spec) -> Resource:
    """Return the scrape job of the service; the limits are those of the files form."""
    job = scrape.limits(spec)
    endpoint: Resource = {
        "port": HTTP,
        "path": "/metrics",
        "interval": duration_text(SCRAPE_INTERVAL),
        "relabelings": [
            {"targetLabel": Label.ENVIRONMENT, "replacement": spec.environment},
        ],
    }
    if (secret := app.metrics_token(spec)) is not None:
        endpoint["authorization"] = {"credentials": secret}
    return resource(
        _MONITORING,
        "ServiceMonitor",
        spec.service,
        {**app.selector(spec), **spec.kubernetes.labels},
        spec={
            "jobLabel": NAME,
            "selector": {"matchLabels": app.selector(spec)},
            "endpoints": [endpoint],
            "sampleLimit": job.samples,
            "labelLimit": job.labels,
            "labelNameLengthLimit": job.label_name_length,
            "labelValueLengthLimit": job.label_value_length,
            "bodySizeLimit": job.body_size,
        },
    )


def collector_monitor(spec: Spec) -> Resource:
    """Return the scrape job of the collectors, under the name that the stack's alerts ask for."""
    return resource(
        _MONITORING,
        "PodMonitor",
        collector.CONFIG,
        {**collector.LABELS, **spec.kubernetes.labels},
        spec={
            "jobLabel": NAME,
            "selector": {"matchLabels": collector.LABELS},
            "podMetricsEndpoints": [
                {"port": collector.METRICS, "interval": duration_text(SCRAPE_INTERVAL)}
            ],
        },
    )


def prometheus_rules(specs: Sequence[Spec]) -> dict[str, Resource]:
    """Return a PrometheusRule for each SLO, each service, and the stack, by its name.

    The rules are those of the files form. Alerts have one more label, the namespace: without it,
    the operator's routes, which match their own namespace by default, would drop them.
    """
    label = {_NAMESPACE: namespace(specs)}
    return {
        name: resource(
            _MONITORING,
            "PrometheusRule",
            name,
            {**app.selector(spec), **spec.kubernetes.labels},
            spec={"groups": [_labelled(group, label) for group in groups]},
        )
        for name, spec, groups in rule_groups(specs)
    }


def _labelled(group: Resource, label: dict[str, str]) -> Resource:
    rules: list[Resource] = group["rules"]  # type: ignore[assignment]
    return {**group, "rules": [_with(rule, label) if "alert" in rule else rule for rule in rules]}


def _with(rule: Resource, label: dict[str, str]) -> Resource:
    labels: dict[str, str] = rule["labels"]  # type: ignore[assignment]
    return {**rule, "labels": {**labels, **label}}
