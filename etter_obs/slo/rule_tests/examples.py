"""Tests of the alerts that bring a world in which they fire and one in which they do not."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from etter_obs.conventions import Label
from etter_obs.slo.alert_rule import AlertRule
from etter_obs.slo.promql import equals, series
from etter_obs.slo.rule_tests.form import ONE, Pace, alert_check, case, expression, matchers, plain
from etter_obs.slo.text import yaml_document
from etter_obs.slo.units import duration_text
from etter_obs.slo.windows import EVALUATION_INTERVAL, SCRAPE_INTERVAL


def examples(alert_rules: Iterable[AlertRule], file: str, group: str) -> str:
    """Return the tests of ``alert_rules``, which stand in ``file`` as ``group``."""
    pace = Pace(SCRAPE_INTERVAL, EVALUATION_INTERVAL, Decimal(0))
    tests: list[dict[str, object]] = []
    at = Decimal(1500)
    for rule in alert_rules:
        if rule.example is None:
            firing = {**plain(rule.labels), Label.SEVERITY.value: rule.severity}
            tests.append(
                case(
                    f"{rule.name} always fires",
                    pace,
                    {"up": "1x99"},
                    [alert_check(rule.name, at, [firing])],
                )
            )
            continue
        count = f'count(ALERTS{{{equals(Label.ALERTNAME, rule.name)},alertstate="firing"}})'
        tests += [
            *(
                {
                    **case(f"{rule.name} fires", pace, world, []),
                    "promql_expr_test": [expression(f"{_with(rule)} > 0", at, [("{}", ONE)])],
                }
                for world in rule.example.fires
            ),
            {
                **case(f"{rule.name} does not fire", pace, rule.example.quiet, []),
                "promql_expr_test": [expression(count, at, [])],
            },
        ]
    return yaml_document(
        {
            "rule_files": [f"../rules/{file}"],
            "evaluation_interval": duration_text(pace.evaluation),
            "group_eval_order": [group],
            "tests": tests,
        }
    )


def _with(rule: AlertRule) -> str:
    """Count the firing alerts that carry the rule's own labels, whatever others they inherit."""
    labels = {Label.ALERTNAME.value: rule.name, "alertstate": "firing", **plain(rule.labels)}
    return f"count({series('ALERTS', matchers(labels | {Label.SEVERITY.value: rule.severity}))})"
