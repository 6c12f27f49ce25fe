"""The same rules as resources of the Prometheus Operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etter_obs._internal.slo.alerts.burn_rate import alert_group, group_name, slo_alerts
from etter_obs._internal.slo.alerts.service import service_alerts
from etter_obs._internal.slo.alerts.stack import SERVICE, stack_alerts
from etter_obs._internal.slo.rules import recording
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.text.yaml import yaml_document


def prometheus_rules(specs: Sequence[Spec]) -> str:
    """Return a YAML stream: a PrometheusRule for each SLO, each service, and the stack."""
    documents: list[str] = []
    for spec in specs:
        for slo in spec.slos:
            groups = recording.groups(spec, slo)
            if found := slo_alerts(spec, slo):
                groups = [*groups, alert_group(spec, group_name(spec, slo), found)]
            documents.append(_resource(f"{spec.service}.{slo.name}", spec, groups))
        own = alert_group(spec, f"{spec.service}/alerts", service_alerts(spec))
        documents.append(_resource(spec.service, spec, [own]))
    stack = alert_group(specs[0], SERVICE, stack_alerts(specs[0]))
    documents.append(_resource(f"{specs[0].service}.{SERVICE}", specs[0], [stack]))
    return "---\n".join(documents)


def _resource(name: str, spec: Spec, groups: Iterable[dict[str, object]]) -> str:
    return yaml_document(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": name,
                "labels": {"app.kubernetes.io/managed-by": "etter-obs", "service": spec.service},
            },
            "spec": {"groups": list(groups)},
        }
    )
