"""One alert: its rule, its texts, and input series for which it fires and does not fire."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from etter_obs._internal.conventions import Dashboard, Label
from etter_obs._internal.slo.spec.models import Spec

RUNBOOKS: Final = "alerts/runbooks"
GROWS: Final = "0+1x120"
"""A counter that grows for half an hour, in promtool's notation."""
GREW: Final = "0+1x20 20x100"
"""A counter that grew for five minutes, then stayed constant for twenty-five."""
GREW_BY: Final = "60"
"""The increase of ``GROWS`` within 15 minutes, as texts show it."""
_LABEL: Final = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_VALUE: Final = re.compile(r"\{\{ \$value(?: \| humanize)? \}\}")


@dataclass(frozen=True, slots=True)
class Firing:
    """Input series for which an alert fires, for one reason.

    ``series`` are the input (selector → values in promtool's notation, a sample each 15 s). The
    expression holds from the first sample on, or from where an increase is seen. ``labels`` are all
    labels of the expression's result, ``value`` is the result as the alert's texts show it.
    """

    series: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    value: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """Input series that test an alert.

    ``fires`` has an entry for each reason for which the alert may fire, so at least one for each
    branch of its expression. ``quiet`` has the input series for which the alert must not fire,
    though they come close.
    """

    fires: Sequence[Firing]
    quiet: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert before it is written to a file.

    ``labels`` are the fixed ones; ``severity`` is page, ticket or none. ``lasting`` is the time for
    which the expression must hold, in Prometheus's notation, empty for none. ``queries``
    (title → PromQL) go into the generated part of its runbook.
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
    return {
        "alert": rule.name,
        "expr": rule.expr,
        **({"for": rule.lasting} if rule.lasting else {}),
        "labels": {
            **rule.labels,
            Label.SEVERITY: rule.severity,
        },
        "annotations": annotations_of(rule, spec),
    }


def annotations_of(rule: AlertRule, spec: Spec) -> dict[str, str]:
    """Return the texts and links of the alert, as templates."""
    slo = rule.labels.get(Label.SLO, "")
    where = {"service": spec.service, "environment": spec.environment} | (
        {"slo": slo} if slo else {}
    )
    query = "&".join(f"var-{name}={value}" for name, value in where.items())
    return {
        "summary": rule.summary,
        "description": rule.description,
        **rule.annotations,
        "dashboard": f"{spec.links.grafana}/d/{rule.dashboard}?{query}",
        "runbook": _runbook(rule, spec),
    }


def text_when_firing(text: str, firing: Firing) -> str:
    """Return an annotation as Prometheus renders it when the alert fires.

    Raises:
        KeyError: the text names a label that the alert does not have.
    """
    named = _LABEL.sub(lambda match: firing.labels[match[1]], text)
    return _VALUE.sub(lambda _: firing.value, named)


def section(spec: Spec, slo: str, service: str = "") -> str:
    """Return the heading of an SLO's section in a runbook, which is also its anchor.

    An underscore joins the two names: names contain none, and anchors keep it, so the result is
    unique. ``service`` replaces the spec's own if it is chosen later.

    Args:
        spec: the service.
        slo: name of the SLO.
        service: name of another service of the file; None: that of ``spec``.
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
