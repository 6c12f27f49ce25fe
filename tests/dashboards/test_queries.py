"""The queries of the generated dashboards, and the function that lists them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from etter_obs._internal.conventions import METRICS, MetricKind
from etter_obs._internal.dashboards.lint.finding import Known
from etter_obs._internal.dashboards.lint.model import BoardView
from etter_obs._internal.dashboards.lint.rendered_queries import Query, listed_by, panel_queries
from etter_obs._internal.dashboards.toolkit.promql_names import metric_names
from etter_obs._internal.slo.alerts.burn_rate import alerts
from etter_obs._internal.slo.rules.recording import rules
from etter_obs._internal.slo.spec.models import Spec
from stack.build import binary
from tests.e2e.allowed_empty import PANELS, VALUES


def every_query(boards: list[BoardView]) -> list[Query]:
    """All queries of all dashboards, filled in."""
    return [query for board in boards for query in panel_queries(board.raw)]


def test_prometheus_parses_every_query(boards: list[BoardView], tmp_path: Path) -> None:
    """The real promtool finds every PromQL query of every panel and annotation well formed."""
    asked = [q.expr for q in every_query(boards) if q.datasource == "prometheus"]
    assert len(asked) > 100
    held = [{"record": f"query:{i}", "expr": expr} for i, expr in enumerate(asked)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": held}]}))
    done = subprocess.run(
        [binary("promtool"), "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(asked)} rules found" in done.stdout


def test_no_variable_is_left_in_a_filled_query(boards: list[BoardView]) -> None:
    """Queries sent to a data source contain only values, for every data source."""
    queries = every_query(boards)
    assert {query.datasource for query in queries} == {"prometheus", "loki", "tempo"}
    # ${1} is a regular expression's group, which Grafana leaves alone.
    assert [q for q in queries if re.search(r"\$\{?[a-z_]", q.expr)] == []


def test_values_given_take_the_place_of_those_a_dashboard_opens_with() -> None:
    """A caller can ask the same panel about another service, SLO or range; the rest keeps."""
    board = {
        "title": "T",
        "templating": {"list": [{"name": "slo", "current": {"value": "availability"}}]},
        "panels": [
            {
                "title": "P",
                "type": "stat",
                "datasource": {"type": "prometheus"},
                "targets": [{"expr": 'a{slo="$slo"} + rate(b[${__rate_interval}])'}],
            }
        ],
    }
    assert panel_queries(board) == [
        Query("T", "P", "prometheus", 'a{slo="availability"} + rate(b[1m])')
    ]
    (query,) = panel_queries(board, {"slo": "cpu", "__rate_interval": "5m"})
    assert query.expr == 'a{slo="cpu"} + rate(b[5m])'


def test_a_variable_tells_what_it_lists() -> None:
    """A variable's query names the series and the label whose values it lists, or is refused."""
    variable = {"query": 'label_values(up{service="$service"}, instance)'}
    assert listed_by(variable, {"service": "etter"}) == ('up{service="etter"}', "instance")
    with pytest.raises(ValueError, match="query_result"):
        listed_by({"query": "query_result(up)"}, {})


def test_panels_of_collapsed_rows_are_listed_too() -> None:
    """A query in a collapsed row is tested as well."""
    inner = {"title": "P", "datasource": {"type": "loki"}, "targets": [{"expr": "{a=~`.+`}"}]}
    board = {"title": "T", "panels": [{"type": "row", "title": "R", "panels": [inner]}]}
    assert [query.panel for query in panel_queries(board)] == ["P"]


def test_every_metric_of_the_app_is_looked_at(boards: list[BoardView], spec: Spec) -> None:
    """Each metric of the app is read by a dashboard or a rule."""
    seen: set[str] = set()
    for query in every_query(boards):
        if query.datasource == "prometheus":
            seen |= metric_names(query.expr)
    for text in (*rules(spec).values(), *alerts(spec).values()):
        for group in yaml.safe_load(text)["groups"]:
            for rule in group["rules"]:
                seen |= metric_names(rule["expr"])
    seen |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in seen}
    unseen = [m.suffix for m in METRICS if m.name(spec.metric_prefix) not in seen]
    assert unseen == []


def test_every_metric_looked_at_exists(boards: list[BoardView], spec: Spec) -> None:
    """No panel asks for a name that neither the app, nor a rule, nor a part of the stack has."""
    known = Known.of(spec).names
    for query in every_query(boards):
        if query.datasource == "prometheus":
            assert metric_names(query.expr) <= known, query


def test_names_are_found_where_an_expression_reads_them() -> None:
    """Labels, functions, keywords, durations and strings are not taken for metrics."""
    expr = (
        'topk(5, sum by (endpoint, le) (rate(a_total{job="x", b=~"c_total"}[5m] offset 1h)))'
        " / on (instance) group_left (version) slo:total:increase > bool 0 or vector(1) * e_count"
    )
    assert metric_names(expr) == {"a_total", "slo:total:increase", "e_count"}


def test_histograms_are_read_by_their_parts(boards: list[BoardView], spec: Spec) -> None:
    """No panel asks for a histogram's bare name, which has no series of its own."""
    bare = {m.name(spec.metric_prefix) for m in METRICS if m.kind is MetricKind.HISTOGRAM}
    for query in every_query(boards):
        if query.datasource == "prometheus":
            assert not metric_names(query.expr) & bare, query


def test_what_may_be_empty_is_there_at_all(boards: list[BoardView]) -> None:
    """The list of panels that the end-to-end test lets be empty names only panels that exist."""
    asked = {(query.dashboard, query.panel) for query in every_query(boards)}
    assert {*PANELS, *VALUES} <= asked
