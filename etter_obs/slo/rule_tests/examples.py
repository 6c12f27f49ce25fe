"""Tests of the alerts that bring a world in which they fire and one in which they do not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from etter_obs.conventions import Label
from etter_obs.slo.alert_rule import AlertRule
from etter_obs.slo.promql import equals, series
from etter_obs.slo.rule_tests.form import ONE, Pace, alert_check, case, expression, matchers, plain
from etter_obs.slo.text import yaml_document
from etter_obs.slo.units import duration_text, parse_duration
from etter_obs.slo.windows import EVALUATION_INTERVAL, SCRAPE_INTERVAL

_AT: Final = Decimal(1500)
"""When it is looked: later than any alert has to last."""
_WHERE: Final = re.compile(rf'(?:{Label.JOB}|{Label.ENVIRONMENT})="[^"]+"')


def examples(alert_rules: Iterable[AlertRule], file: str, group: str) -> str:
    """Return the tests of ``alert_rules``, which stand in ``file`` as ``group``."""
    pace = Pace(SCRAPE_INTERVAL, EVALUATION_INTERVAL, Decimal(0))
    return yaml_document(
        {
            "rule_files": [f"../rules/{file}"],
            "evaluation_interval": duration_text(pace.evaluation),
            "group_eval_order": [group],
            "tests": [test for rule in alert_rules for test in _tests(rule, pace)],
        }
    )


def _tests(rule: AlertRule, pace: Pace) -> Iterator[dict[str, object]]:
    if rule.example is None:
        firing = {**plain(rule.labels), Label.SEVERITY.value: rule.severity}
        check = alert_check(rule.name, _AT, [firing])
        yield case(f"{rule.name} always fires", pace, {"up": "1x99"}, [check])
        return
    fires, quiet = rule.example.fires, rule.example.quiet
    firing_at_all = f'count(ALERTS{{{equals(Label.ALERTNAME, rule.name)},alertstate="firing"}})'
    checks = [expression(f"{_with(rule)} > 0", _AT, [("{}", ONE)])]
    if rule.lasting:
        too_soon = parse_duration(rule.lasting) - pace.evaluation
        checks.insert(0, expression(firing_at_all, too_soon, []))
    for world in fires:
        yield case(f"{rule.name} fires", pace, {**world, **_elsewhere(quiet, rule)}, checks)
    for world in quiet:
        calm = [expression(firing_at_all, _AT, [])]
        yield case(f"{rule.name} does not fire", pace, {**world, **_elsewhere(fires, rule)}, calm)


def _elsewhere(worlds: Sequence[Mapping[str, str]], rule: AlertRule) -> dict[str, str]:
    """Return the worlds as other jobs and environments would have them, which must not count."""
    found = {}
    for world in worlds:
        for selector, values in world.items():
            for own in _WHERE.findall(selector):
                if own in rule.expr:
                    found[selector.replace(own, own.replace('="', '="not-'))] = values
    return found


def _with(rule: AlertRule) -> str:
    """Count the firing alerts that carry the rule's own labels, whatever others they inherit."""
    labels = {Label.ALERTNAME.value: rule.name, "alertstate": "firing", **plain(rule.labels)}
    return f"count({series('ALERTS', matchers(labels | {Label.SEVERITY.value: rule.severity}))})"
