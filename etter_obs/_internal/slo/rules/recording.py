"""Recording rules: two base recordings for each SLO, and everything else made from them.

Only the base recordings read the app's series, so only their cost grows with routes. All of an
SLO's recordings stand in one group, in the order in which they need each other, except what reads
the whole period, which is evaluated less often.
"""

from __future__ import annotations

from decimal import Decimal

from etter_obs._internal.conventions import Rule
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.policy import PERIOD_INTERVAL, WINDOWS
from etter_obs._internal.slo.spec.selectors import counted, own_labels, recorded
from etter_obs._internal.text.units import decimal_text, duration_text, percent_text
from etter_obs._internal.text.yaml import yaml_document


def path(spec: Spec, slo: Slo) -> str:
    """Return the file of ``slo``'s recordings: one file each, so that tests load only theirs."""
    return f"prometheus/rules/{spec.service}.{slo.name}.yml"


def rules(spec: Spec) -> dict[str, str]:
    """Return every recording-rule file, by its path in the project."""
    return {path(spec, slo): yaml_document({"groups": groups(spec, slo)}) for slo in spec.slos}


def group_names(spec: Spec, slo: Slo) -> tuple[str, str]:
    """Return the names of ``slo``'s two groups: the steady one, and the period's."""
    name = f"{spec.service}/{slo.name}"
    return name, f"{name}/{duration_text(spec.period)}"


def groups(spec: Spec, slo: Slo) -> list[dict[str, object]]:
    """Return ``slo``'s two groups of recordings."""
    steady, period = group_names(spec, slo)
    labels = own_labels(spec, slo)
    return [
        {
            "name": steady,
            "interval": duration_text(slo.sli.kind.interval),
            "rules": [_rule(record, expr, labels) for record, expr in _steady(spec, slo)]
            + [_rule(Rule.INFO, "vector(1)", labels | _info(spec, slo))],
        },
        {
            "name": period,
            "interval": duration_text(PERIOD_INTERVAL),
            "rules": [_rule(record, expr, labels) for record, expr in _period(spec, slo)],
        },
    ]


def _rule(record: str, expr: str, labels: dict[str, str]) -> dict[str, object]:
    return {"record": record, "expr": expr, "labels": labels}


def _steady(spec: Spec, slo: Slo) -> list[tuple[str, str]]:
    parts = slo.sli.kind.expressions(spec, slo)
    burn = recorded(Rule.BURN_RATE, spec, slo)
    left = recorded(Rule.BUDGET_REMAINING, spec, slo)
    return [
        *([(Rule.SATURATION, parts.value)] if parts.value is not None else []),
        (Rule.TOTAL_INCREASE, parts.total),
        (Rule.BAD_INCREASE, parts.bad),
        *((Rule.bad_ratio(duration_text(w)), _bad_ratio(spec, slo, w)) for w in WINDOWS),
        (
            Rule.BURN_RATE,
            f"{recorded(Rule.bad_ratio('1h'), spec, slo)} / {decimal_text(slo.budget)}",
        ),
        # Seconds until nothing is left if it goes on burning as now; absent while nothing burns.
        (
            Rule.EXHAUSTION,
            f"clamp_min({left}, 0) * {decimal_text(spec.period)} / ({burn} > 0)",
        ),
        (Rule.OBJECTIVE, f"vector({decimal_text(slo.objective)})"),
        (Rule.PERIOD, f"vector({decimal_text(spec.period)})"),
    ]


def _period(spec: Spec, slo: Slo) -> list[tuple[str, str]]:
    record = Rule.bad_ratio(duration_text(spec.period))
    ratio = recorded(record, spec, slo)
    return [
        (record, _bad_ratio(spec, slo, spec.period)),
        (Rule.BUDGET_REMAINING, f"1 - {ratio} / {decimal_text(slo.budget)}"),
    ]


def _bad_ratio(spec: Spec, slo: Slo, window: Decimal) -> str:
    bad = counted(Rule.BAD_INCREASE, spec, slo, window)
    total = counted(Rule.TOTAL_INCREASE, spec, slo, window)
    return f"{bad} / ({total} > 0)"


def _info(spec: Spec, slo: Slo) -> dict[str, str]:
    return {
        "objective": percent_text(slo.objective),
        "period": duration_text(spec.period),
        "sli": slo.sli.name,
        "alerting": slo.alerting.mode,
        "team": spec.team_of(slo),
        "description": slo.description,
    }
