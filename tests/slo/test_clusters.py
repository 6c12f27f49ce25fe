"""One SLO over several clusters: event counts add up, ratios do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from etter_obs._internal.conventions import Rule
from etter_obs._internal.generate.clusters import cluster_rules, ruler_rules
from etter_obs._internal.slo.prometheus.promtool import Question, ask
from stack.build import binary
from tests.slo.specs import spec_of

SLO = (
    "{ name: availability, description: D, objective: 99%, sli: { requests: { bad_status: 5xx } } }"
)
OWN = 'service="shop",environment="production",slo="availability"'
COUNTS = {
    f'{Rule.TOTAL_INCREASE}{{{OWN},cluster="eu"}}': "1000x20",
    f'{Rule.BAD_INCREASE}{{{OWN},cluster="eu"}}': "0x20",
    f'{Rule.TOTAL_INCREASE}{{{OWN},cluster="us"}}': "10x20",
    f'{Rule.BAD_INCREASE}{{{OWN},cluster="us"}}': "5x20",
}
"""Per 30 seconds: a busy cluster without a fault, and a quiet one with every second request bad."""


def test_the_ruler_adds_up_the_clusters_events(tmp_path: Path) -> None:
    """Ratio, budget and page follow from the events of both clusters, and are one series each."""
    rules = yaml.safe_load(ruler_rules([spec_of(SLO)]))
    for group in rules["groups"]:
        assert group.pop("partial_response_strategy") == "warn"  # promtool does not know the key
    file = tmp_path / "ruler.yml"
    file.write_text(yaml.safe_dump(rules))
    at = 600
    ratio, left, pages = ask(
        binary("promtool"),
        [file],
        COUNTS,
        [
            Question(Rule.bad_ratio("5m"), at),
            Question(Rule.BUDGET_REMAINING, at),
            Question('ALERTS{alertname=~"SLOBurnRatePage.*"}', at),
        ],
        series_step=30,
        evaluation_step=30,
        group_order=[group["name"] for group in rules["groups"]],
    )
    true = 5 / 1010  # the mean of the two clusters' ratios would be 0.25, and page
    assert [sample.value for sample in ratio] == [pytest.approx(true)]
    assert [sample.value for sample in left] == [pytest.approx(1 - true / 0.01)]
    assert pages == ()
    assert "cluster" not in ratio[0].labels


def test_clusters_and_ruler_record_everything_once() -> None:
    """What a single Prometheus records is recorded in the clusters or in the ruler, not in both."""
    spec = spec_of(SLO)
    names = [
        {
            rule["record"]
            for group in yaml.safe_load(text)["groups"]
            for rule in group["rules"]
            if "record" in rule
        }
        for text in (cluster_rules([spec]), ruler_rules([spec]))
    ]
    assert names[0] == {Rule.TOTAL_INCREASE, Rule.BAD_INCREASE}
    assert not names[0] & names[1]
    assert {Rule.bad_ratio("30d"), Rule.BUDGET_REMAINING, Rule.BURN_RATE, Rule.INFO} <= names[1]
