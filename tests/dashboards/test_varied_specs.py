"""Dashboards of specs other than the shipped one: whatever is promised, the linter is content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from etter_obs._internal.dashboards import dashboards
from etter_obs._internal.dashboards.lint import lint
from etter_obs._internal.dashboards.lint.model import BoardView
from etter_obs._internal.slo.loading.loader import parse_specs
from etter_obs._internal.slo.spec.models import Spec
from tests.slo.specs import dumped, spec_of, spec_trees


def findings(spec: Spec) -> list[str]:
    """Return what the linter says of the dashboards of ``spec``."""
    boards = [BoardView(path, json.loads(text)) for path, text in dashboards(spec).items()]
    return [f"{finding} [{rule}]" for rule, finding in lint(boards, spec)]


@pytest.mark.parametrize(
    "sli",
    [
        "requests: { bad_status: 5xx }",
        "requests: { bad_status: 4xx }",
        "requests: { bad_status: 5xx, routes: ['/$a', '/b[c'] }",
        "latency: { threshold: 250ms }",
        "latency: { threshold: 1s, metric: db_query_duration_seconds }",
        "latency: { threshold: 1s, metric: mine_seconds }",
        "ratio: { good: cache_hits_total, bad: cache_misses_total }",
        "ratio: { bad: mine_total, total: requests_total }",
        "saturation: { resource: cpu, below: 70% }",
        "saturation: { query: 'min(etter_workers{$selector})', above: 2 }",
        "promql: { bad: 'sum(rate(mine_total{$selector,a=\"b\"}[$interval]))', "
        "total: 'sum(rate(mine_total{$selector}[$interval]))' }",
    ],
)
def test_dashboards_of_a_single_slo_keep_every_rule(sli: str) -> None:
    """A spec with one SLO alone, of whatever kind, has dashboards that the linter takes."""
    slo = f"{{ name: only, description: It holds., objective: 99%, sli: {{ {sli} }} }}"
    assert findings(spec_of(slo, more="own_metrics: [mine_seconds, mine_total]\n")) == []


@settings(max_examples=25)
@given(spec_trees())
def test_dashboards_of_any_spec_keep_every_rule(tree: dict[str, Any]) -> None:
    """Whatever valid spec they follow from, the linter takes the dashboards as they are."""
    assert findings(parse_specs(dumped(tree), "slo.yaml")[0]) == []
