"""The same rules as resources of the Prometheus Operator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etter_obs._internal.slo.alerts.burn_rate import alert_group, group_name, slo_alerts
from etter_obs._internal.slo.alerts.service import service_alerts
from etter_obs._internal.slo.alerts.stack import SERVICE, stack_alerts
from etter_obs._internal.slo.rules import recording
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.text.yaml import yaml_document

Groups = list[dict[str, object]]


def prometheus_rules(specs: Sequence[Spec]) -> str:
    """Return a YAML stream: a PrometheusRule for each SLO, each service, and the stack."""
    documents = (
        yaml_document(
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                "metadata": {
                    "name": name,
                    "labels": {
                        "app.kubernetes.io/managed-by": "etter-obs",
                        "service": spec.service,
                    },
                },
                "spec": {"groups": groups},
            }
        )
        for name, spec, groups in rule_groups(specs)
    )
    return "---\n".join(documents)


def rule_groups(specs: Sequence[Spec]) -> Iterator[tuple[str, Spec, Groups]]:
    """Yield the name of each resource, the service that it belongs to, and its groups of rules."""
    for spec in specs:
        for slo in spec.slos:
            groups = list(recording.groups(spec, slo))
            if found := slo_alerts(spec, slo):
                groups.append(alert_group(spec, group_name(spec, slo), found))
            yield f"{spec.service}.{slo.name}", spec, groups
        if own := service_alerts(spec):
            yield spec.service, spec, [alert_group(spec, f"{spec.service}/alerts", own)]
    first = specs[0]
    stack = alert_group(first, SERVICE, stack_alerts(first))
    yield f"{first.service}.{SERVICE}", first, [stack]
