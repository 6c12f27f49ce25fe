"""One alert: its rule, what it tells people, and a world in which it fires and one in which not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from etter_obs.conventions import Dashboard, Label
from etter_obs.slo.spec import Spec

RUNBOOKS: Final = "alerts/runbooks"
GROWS: Final = "0+1x120"
"""A counter that grows for half an hour, in promtool's notation."""
GREW: Final = "0+1x20 20x100"
"""A counter that grew for five minutes, then stood still for twenty-five."""


@dataclass(frozen=True, slots=True)
class Example:
    """Input series (selector → values in promtool's notation, a sample each 15 s).

    ``fires`` holds a world for each reason for which the alert may fire, each alone, ``quiet`` one
    for each in which it might be thought to and must not. In a world that fires, the expression
    holds from its first sample on, or from where an increase is seen.
    """

    fires: Sequence[Mapping[str, str]]
    quiet: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert as it will stand in a file.

    ``labels`` are the fixed ones; ``severity`` is page, ticket or none. ``lasting`` is the time for
    which the expression must hold, in Prometheus's notation, empty for none. ``meaning`` and
    ``queries`` (title → PromQL) are the generated part of its runbook.
    """

    name: str
    expr: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    description: str
    lasting: str = ""
    dashboard: Dashboard = Dashboard.TELEMETRY
    annotations: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)
    example: Example | None = None


def rendered(rule: AlertRule, spec: Spec) -> dict[str, object]:
    """Return the rule as Prometheus reads it, with its links."""
    slo = rule.labels.get(Label.SLO, "")
    where = {"service": spec.service, "environment": spec.environment} | (
        {"slo": slo} if slo else {}
    )
    query = "&".join(f"var-{name}={value}" for name, value in where.items())
    return {
        "alert": rule.name,
        "expr": rule.expr,
        **({"for": rule.lasting} if rule.lasting else {}),
        "labels": {
            **{
                label.value if isinstance(label, Label) else label: v
                for label, v in rule.labels.items()
            },
            Label.SEVERITY.value: rule.severity,
        },
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            **rule.annotations,
            "dashboard": f"{spec.links.grafana}/d/{rule.dashboard}?{query}",
            "runbook": _runbook(rule, spec),
        },
    }


def section(spec: Spec, slo: str, service: str = "") -> str:
    """Return the heading of an SLO's section in a runbook, and its anchor: they are the same.

    No name holds an underscore, and an anchor keeps it: joined by one, two names are like no other.
    ``service`` stands for the spec's own where it is chosen later.
    """
    return slo if spec.is_alone else f"{service or spec.service}_{slo}"


def _runbook(rule: AlertRule, spec: Spec) -> str:
    """Return the address of the rule's section of its runbook, or its path if not published."""
    anchor = ""
    if slo := rule.labels.get(Label.SLO):
        anchor = section(spec, slo)
    elif not spec.is_alone and rule.labels.get(Label.SERVICE) == spec.service:
        anchor = spec.service
    page = f"{spec.links.runbooks or RUNBOOKS}/{rule.name}.md"
    return f"{page}#{anchor}" if anchor else page
