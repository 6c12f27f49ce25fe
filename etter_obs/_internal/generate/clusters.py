"""Rules for several Prometheus servers below one ruler, such as Thanos's.

Each Prometheus records the event counts of its cluster. The ruler computes from their sums what one
Prometheus computes by itself: ratios, budgets and alerts. Replicas are no clusters: the ruler asks
a querier that has deduplicated them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from etter_obs._internal.conventions import Rule
from etter_obs._internal.slo.alerts.burn_rate import alert_group, group_name, slo_alerts
from etter_obs._internal.slo.rules import recording
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.text.yaml import yaml_document

_COUNTED: Final = frozenset({Rule.SATURATION, Rule.TOTAL_INCREASE, Rule.BAD_INCREASE})
"""What only a Prometheus that scrapes the service can record."""


def cluster_rules(specs: Sequence[Spec]) -> str:
    """Return the rule file of each cluster's Prometheus: the event counts of every SLO."""
    groups = [
        _with(group, [rule for rule in group["rules"] if rule["record"] in _COUNTED])
        for spec in specs
        for slo in spec.slos
        for group in _groups(spec, slo.name)[:1]
    ]
    return yaml_document({"groups": groups})


def ruler_rules(specs: Sequence[Spec]) -> str:
    """Return the rule file of the ruler: all that follows from the counts of all clusters."""
    groups: list[dict[str, Any]] = []
    for spec in (one.over_clusters() for one in specs):
        for slo in spec.slos:
            groups += [
                _with(group, [rule for rule in group["rules"] if rule["record"] not in _COUNTED])
                for group in _groups(spec, slo.name)
            ]
            if found := slo_alerts(spec, slo):
                groups.append(alert_group(spec, group_name(spec, slo), found))
    # One of two replicas is enough to count; without this, rules stop while one is away.
    return yaml_document(
        {"groups": [group | {"partial_response_strategy": "warn"} for group in groups]}
    )


def _groups(spec: Spec, slo: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", recording.groups(spec, spec.slo(slo)))


def _with(group: dict[str, Any], rules: list[dict[str, Any]]) -> dict[str, Any]:
    return group | {"rules": rules}
