"""Tests of the alerts that bring a world in which they fire and one in which they do not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from etter_obs._internal.conventions import Label
from etter_obs._internal.conventions.external import Scrape
from etter_obs._internal.slo.alerts.rule import AlertRule, Firing, annotations_of, text_when_firing
from etter_obs._internal.slo.rule_tests.form import Pace, case, expression, plain
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.slo.spec.policy import EVALUATION_INTERVAL, SCRAPE_INTERVAL
from etter_obs._internal.text.promql import equals
from etter_obs._internal.text.units import duration_text, parse_duration
from etter_obs._internal.text.yaml import yaml_document

_AT: Final = Decimal(1500)
"""When it is looked: later than any alert has to last."""
_WHERE: Final = re.compile(rf'(?:{Label.JOB}|{Label.ENVIRONMENT})="[^"]+"')


def examples(spec: Spec, alert_rules: Iterable[AlertRule], file: str, group: str) -> str:
    """Return the tests of ``alert_rules``, which ``file`` holds as ``group``.

    Args:
        spec: the service.
        alert_rules: alerts with examples.
        file: their rule file.
        group: their group.
    """
    pace = Pace(SCRAPE_INTERVAL, EVALUATION_INTERVAL, Decimal(0))
    return yaml_document(
        {
            "rule_files": [f"../rules/{file}"],
            "evaluation_interval": duration_text(pace.evaluation),
            "group_eval_order": [group],
            "tests": [test for rule in alert_rules for test in _tests(spec, rule, pace)],
        }
    )


def _tests(spec: Spec, rule: AlertRule, pace: Pace) -> Iterator[dict[str, object]]:
    if rule.example is None:
        always = case(f"{rule.name} always fires", pace, {"up": "1x99"}, [])
        yield always | _fired(spec, rule, Firing({}))
        return
    fires, quiet = rule.example.fires, rule.example.quiet
    firing_at_all = (
        f'count({Scrape.ALERTS}{{{equals(Label.ALERTNAME, rule.name)},alertstate="firing"}})'
    )
    too_soon: list[dict[str, object]] = []
    if rule.lasting:
        before = parse_duration(rule.lasting) - pace.evaluation
        too_soon.append(expression(firing_at_all, before, []))
    for firing in fires:
        world = {**firing.series, **_elsewhere(quiet, rule)}
        yield case(f"{rule.name} fires", pace, world, too_soon) | _fired(spec, rule, firing)
    for calm in quiet:
        world = {**calm, **_elsewhere([firing.series for firing in fires], rule)}
        not_firing = [expression(firing_at_all, _AT, [])]
        yield case(f"{rule.name} does not fire", pace, world, not_firing)


def _fired(spec: Spec, rule: AlertRule, firing: Firing) -> dict[str, object]:
    """Expect exactly one alert, with all of its labels and with every text as people read it."""
    texts = annotations_of(rule, spec)
    expected = {
        "exp_labels": {
            **firing.labels,
            **plain(rule.labels),
            Label.SEVERITY: rule.severity,
        },
        "exp_annotations": {name: text_when_firing(text, firing) for name, text in texts.items()},
    }
    return {
        "alert_rule_test": [
            {"eval_time": duration_text(_AT), "alertname": rule.name, "exp_alerts": [expected]}
        ]
    }


def _elsewhere(worlds: Sequence[Mapping[str, str]], rule: AlertRule) -> dict[str, str]:
    """Return the worlds as other jobs and environments would have them, which must not count."""
    found = {}
    for world in worlds:
        for selector, values in world.items():
            for own in _WHERE.findall(selector):
                if own in rule.expr:
                    found[selector.replace(own, own.replace('="', '="not-'))] = values
    return found
