"""The alerts of an SLO: one for each tier that can fire, and those for an SLO without a judgement.

A burn-rate alert requires both windows over the threshold (the long one shows that the burn
matters, the short one that it continues) and, for events, enough bad ones: at 99.9 % a single error
among seventy requests is a burn of 14.4. No data, no traffic and a missing bucket are three alerts.
"""

from __future__ import annotations

from decimal import Decimal

from etter_obs._internal.conventions import Alert, Dashboard, Label, Rule
from etter_obs._internal.slo.alerts.rule import AlertRule, rendered
from etter_obs._internal.slo.alerts.service import service_alerts
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.policy import Severity, Tier
from etter_obs._internal.slo.spec.reachability import threshold, tiers_of
from etter_obs._internal.slo.spec.selectors import counted, over_clusters, own_labels, recorded
from etter_obs._internal.text.promql import template_literal
from etter_obs._internal.text.units import decimal_text, duration_text, percent_text
from etter_obs._internal.text.yaml import yaml_document

NO_DATA_AFTER = "10m"
_PORTABLE_LOSS = Decimal("0.8")
"""Smallest share of the events that the portable form counts on uneven traffic."""


def path(spec: Spec, slo: Slo) -> str:
    """Return the file of ``slo``'s alerts."""
    return f"alerts/rules/{spec.service}.{slo.name}.yml"


def group_name(spec: Spec, slo: Slo) -> str:
    """Return the name of the group of ``slo``'s alerts."""
    return f"{spec.service}/{slo.name}/alerts"


def service_path(spec: Spec) -> str:
    """Return the file of the alerts for the whole service."""
    return f"alerts/rules/{spec.service}.yml"


def alerts(spec: Spec) -> dict[str, str]:
    """Return every alert-rule file of the service, by its path in the project."""
    files: dict[str, str] = {}
    if own := service_alerts(spec):
        files[service_path(spec)] = _file(spec, f"{spec.service}/alerts", own)
    for slo in spec.slos:
        if rules := slo_alerts(spec, slo):
            files[path(spec, slo)] = _file(spec, group_name(spec, slo), rules)
    return files


def _file(spec: Spec, group: str, rules: list[AlertRule]) -> str:
    return yaml_document({"groups": [alert_group(spec, group, rules)]})


def alert_group(spec: Spec, name: str, rules: list[AlertRule]) -> dict[str, object]:
    """Return a group of alerts as Prometheus reads it.

    Args:
        spec: the service.
        name: of the group.
        rules: its alerts.
    """
    return {"name": name, "interval": "30s", "rules": [rendered(rule, spec) for rule in rules]}


def slo_alerts(spec: Spec, slo: Slo) -> list[AlertRule]:
    """Return the alerts of ``slo``; none if its alerting mode is off."""
    if slo.alerting.mode == "off":
        return []
    rules = [_burn(spec, slo, tier) for tier in tiers_of(slo, spec.period)]
    rules.append(_no_data(spec, slo))
    if slo.is_event_based:
        rules.append(_no_traffic(spec, slo))
    if (histogram := slo.sli.kind.expressions(spec, slo).histogram) is not None:
        rules.append(_missing_bucket(spec, slo, *histogram))
    return rules


def _labels(spec: Spec, slo: Slo) -> dict[str, str]:
    return {**own_labels(spec, slo), Label.TEAM: spec.team_of(slo)}


def guard(spec: Spec, slo: Slo) -> Decimal:
    """Return the number of bad events that a tier requires; the portable form may count fewer."""
    events = Decimal(slo.alerting.min_bad_events)
    return events if spec.rule_form == "exact" else events * _PORTABLE_LOSS


def _burn(spec: Spec, slo: Slo, tier: Tier) -> AlertRule:
    limit = decimal_text(threshold(tier, slo, spec.period))

    def over(window: str) -> str:
        return f"{recorded(Rule.bad_ratio(window), spec, slo)} > {limit}"

    clauses = [over(tier.long_text), over(tier.short_text)]
    if slo.is_event_based:
        bad = counted(Rule.BAD_INCREASE, spec, slo, tier.long)
        clauses.append(f"{bad} >= {decimal_text(guard(spec, slo))}")
    period, factor = duration_text(spec.period), decimal_text(tier.factor(spec.period))
    noun = "events" if slo.is_event_based else f"slices of {duration_text(slo.sli.kind.interval)}"
    speed = (
        f"more than {factor} times too fast"
        if factor != "1"
        else "faster than the objective allows"
    )
    return AlertRule(
        name=Alert.burn_rate(tier.severity, tier.long_text),
        expr="\nand\n".join(clauses),
        severity=tier.severity.value,
        labels={**_labels(spec, slo), Label.TIER: tier.name},
        summary=f"{spec.service}: {slo.name} burns its error budget {speed}",
        description=f"{template_literal(slo.description)} Over the last {tier.long_text}, "
        f"{{{{ $value | humanizePercentage }}}} of the {noun} were bad; the objective of "
        f"{percent_text(slo.objective)} allows {percent_text(slo.budget)} over {period}. Open the "
        "dashboard, find what fails and since when, then follow the runbook.",
        dashboard=Dashboard.SLO_DETAIL,
        annotations={
            "burn_rate": _asked(Rule.BURN_RATE, spec, slo, 'printf "%.1f times too fast"'),
            "budget_remaining": _asked(
                Rule.BUDGET_REMAINING,
                spec,
                slo,
                f'humanizePercentage | printf "%s of the {period} budget"',
            ),
            "exhausted_in": _asked(Rule.EXHAUSTION, spec, slo, "humanizeDuration"),
        },
        queries={
            # Two queries: `or` would drop the second, whose labels are the same.
            **{
                f"share of bad {noun}, {window}": recorded(Rule.bad_ratio(window), spec, slo)
                for window in (tier.long_text, tier.short_text)
            },
            "error budget left": recorded(Rule.BUDGET_REMAINING, spec, slo),
        },
    )


def _asked(rule: str, spec: Spec, slo: Slo, pipe: str) -> str:
    """Return an annotation that queries the value of a recording rule when the alert fires."""
    query = recorded(rule, spec, slo)
    found = f"{{{{ range query `{query}` }}}}{{{{ . | value | {pipe} }}}}"
    return f"{found}{{{{ else }}}}unknown{{{{ end }}}}"


def _no_data(spec: Spec, slo: Slo) -> AlertRule:
    total = recorded(Rule.TOTAL_INCREASE, spec, slo)
    parts = slo.sli.kind.expressions(spec, slo)
    return AlertRule(
        name=Alert.SLO_NO_DATA,
        expr=f"absent({total})",
        severity=Severity.TICKET.value,
        labels=_labels(spec, slo),
        summary=f"{spec.service}: {slo.name} has no data",
        description=f"The series of {slo.name} have been missing for {NO_DATA_AFTER}, so none "
        "of its burn-rate alerts can fire. Prometheus does not scrape them, the app does not "
        "expose them, or their name changed. Check first whether Prometheus scrapes the service.",
        lasting=NO_DATA_AFTER,
        dashboard=Dashboard.SLO_DETAIL,
        queries={"counted series": parts.value or parts.total},
    )


def _no_traffic(spec: Spec, slo: Slo) -> AlertRule:
    window = duration_text(spec.no_traffic_after)
    before = f"{recorded(Rule.TOTAL_INCREASE, spec, slo)} offset {window}"
    return AlertRule(
        name=Alert.SLO_NO_TRAFFIC,
        # The second clause requires data at the start of the window: a new SLO does not fire.
        expr=f"{counted(Rule.TOTAL_INCREASE, spec, slo, spec.no_traffic_after)} == 0\nand\n"
        f"{over_clusters(before, spec)} >= 0",
        severity=Severity.TICKET.value,
        labels=_labels(spec, slo),
        summary=f"{spec.service}: {slo.name} has counted no event for {window}",
        description=f"The series of {slo.name} exist but do not grow, so the SLO has no events to "
        "judge. Users do not send requests, or requests do not reach the service. Check first "
        "whether requests reach the service.",
        dashboard=Dashboard.SLO_DETAIL,
        queries={"events of the last hour": counted(Rule.TOTAL_INCREASE, spec, slo, Decimal(3600))},
    )


def _missing_bucket(spec: Spec, slo: Slo, count: str, bucket: str) -> AlertRule:
    instance = Label.INSTANCE
    lacking = (
        f"count by ({instance}) ({count}) unless on ({instance}) count by ({instance}) ({bucket})"
    )
    return AlertRule(
        name=Alert.SLO_MISSING_BUCKET,
        expr=f"count({lacking}) > 0",
        severity=Severity.TICKET.value,
        labels=_labels(spec, slo),
        summary=f"{spec.service}: instances expose {slo.name} without the bucket of its threshold",
        description="{{ $value }} instance(s) expose the histogram without the bucket of the "
        "threshold, so the SLO counts all of their events as slow or none of them. They run with "
        "another slo.yaml than these rules. Deploy the app with the slo.yaml of the rules.",
        lasting="10m",
        dashboard=Dashboard.SLO_DETAIL,
        queries={"instances without the bucket": lacking},
    )
