"""Each rule of the linter passes the generated dashboards and reports the fault it names."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from etter_obs._internal.cli import main
from etter_obs._internal.dashboards.lint import RULES, lint
from etter_obs._internal.dashboards.lint.colour_vision import difference
from etter_obs._internal.dashboards.lint.model import BoardView
from etter_obs._internal.dashboards.toolkit.palette import BAD, GOOD, PALETTE, WARN
from etter_obs._internal.slo.spec.models import Spec

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]
Break = Callable[[Json], object]


@pytest.fixture
def service(boards: list[BoardView]) -> Json:
    """A copy of the Service dashboard, to be broken."""
    return copy.deepcopy(next(b.raw for b in boards if b.title == "Service"))


def panel(board: Json, title: str) -> Json:
    """The panel of that title."""
    return next(p.raw for p in BoardView("", board).panels if p.title == title)


def found(board: Json, spec: Spec) -> dict[str, list[str]]:
    """Which rules complain, and how."""
    result: dict[str, list[str]] = {}
    for rule, finding in lint([BoardView("b.json", board)], spec):
        result.setdefault(rule, []).append(str(finding))
    return result


def test_the_generated_dashboards_keep_every_rule(boards: list[BoardView], spec: Spec) -> None:
    """What the generator writes is what the linter asks for."""
    assert lint(boards, spec) == []


def test_a_panel_without_a_title(service: Json, spec: Spec) -> None:
    """titles: a panel that cannot be named is found."""
    panel(service, "Status mix")["title"] = ""
    assert "has no title" in found(service, spec)["titles"][0]


def test_two_panels_of_one_title(service: Json, spec: Spec) -> None:
    """titles: two panels that share a name are found."""
    panel(service, "Status mix")["title"] = "Requests"
    assert "same title" in found(service, spec)["titles"][0]


def test_a_description_without_advice(service: Json, spec: Spec) -> None:
    """descriptions: a panel that says what it shows, but not what to do, is found."""
    panel(service, "Server errors")["description"] = "The share of requests that failed."
    assert "does not say what to do" in found(service, spec)["descriptions"][0]


def test_advice_for_looks_where_there_is_a_red(service: Json, spec: Spec) -> None:
    """descriptions: a panel that can be red must say what to do when it is."""
    one = panel(service, "Server errors")
    one["description"] = one["description"].replace("When it is red", "When it looks wrong")
    assert "When it is red" in found(service, spec)["descriptions"][0]


def test_a_panel_without_a_unit(service: Json, spec: Spec) -> None:
    """units: a bare number is found."""
    del panel(service, "Requests")["fieldConfig"]["defaults"]["unit"]
    assert "no unit" in found(service, spec)["units"][0]


def test_a_bounded_value_without_its_bound(service: Json, spec: Spec) -> None:
    """limits: a panel of p95 without slo.yaml's 500 ms is found, whatever else it draws."""
    steps = panel(service, "p95")["fieldConfig"]["defaults"]["thresholds"]["steps"]
    steps[-1]["value"] = 0.8
    assert "without the target of slo.yaml, 0.5" in found(service, spec)["limits"][0]


@pytest.mark.parametrize(
    ("dashboard", "title"),
    [
        ("Service", "Server errors"),
        ("Database", "Pool in use"),
        ("Cache", "Hit ratio"),
        ("Cache", "Evicted per write"),
        ("Runtime and host", "CPU busy"),
        ("Runtime and host", "Memory in use"),
        ("Runtime and host", "Disks busy"),
    ],
)
def test_every_kind_of_target_is_asked_for(
    dashboard: str, title: str, boards: list[BoardView], spec: Spec
) -> None:
    """limits: the linter misses each of the spec's bounds where its line is taken away."""
    board = copy.deepcopy(next(b.raw for b in boards if b.title == dashboard))
    panel(board, title)["fieldConfig"]["defaults"]["thresholds"]["steps"] = []
    assert any(f"“{title}”" in finding for finding in found(board, spec)["limits"])


def test_a_fixed_data_source(service: Json, spec: Spec) -> None:
    """sources: a data source by an installation's own id is found, in panel and query."""
    panel(service, "Requests")["targets"][0]["datasource"]["uid"] = "P1809F7CD0C75ACF3"
    assert "it takes a variable" in found(service, spec)["sources"][0]


def test_a_missing_data_source(service: Json, spec: Spec) -> None:
    """sources: a query that leaves its data source to Grafana's default is found."""
    del panel(service, "Requests")["datasource"]
    assert "missing" in found(service, spec)["sources"][0]


@pytest.mark.parametrize("function", ["rate", "increase", "irate"])
def test_a_rate_over_a_fixed_range(function: str, service: Json, spec: Spec) -> None:
    """intervals: a range that is wrong at some zoom is found."""
    target = panel(service, "Requests")["targets"][0]
    target["expr"] = f"sum({function}(etter_requests_total[5m]))"
    assert f"{function} uses [5m]" in found(service, spec)["intervals"][0]


def test_a_rate_of_log_lines_over_a_fixed_range(boards: list[BoardView], spec: Spec) -> None:
    """intervals: LogQL is held to Grafana's own range as PromQL is."""
    board = copy.deepcopy(next(b.raw for b in boards if b.title == "Logs and traces"))
    target = panel(board, "Warnings and errors")["targets"][0]
    target["expr"] = target["expr"].replace("$__auto", "5m")
    assert "rate uses [5m]" in found(board, spec)["intervals"][0]


def test_a_query_without_a_legend(service: Json, spec: Spec) -> None:
    """legends: a series that would be named by its whole label set is found."""
    panel(service, "Status mix")["targets"][0]["legendFormat"] = "__auto"
    assert "no legend" in found(service, spec)["legends"][0]


def test_a_legend_of_a_label_that_is_summed_away(service: Json, spec: Spec) -> None:
    """legends: a legend that would read empty is found."""
    panel(service, "Status mix")["targets"][0]["legendFormat"] = "{{method}}"
    assert "shows method" in found(service, spec)["legends"][0]


def test_two_panels_on_one_place(service: Json, spec: Spec) -> None:
    """overlaps: panels that hide each other are found."""
    panel(service, "Status mix")["gridPos"]["w"] = 12
    assert "overlaps" in found(service, spec)["overlaps"][0]


def test_panels_of_a_closed_row_on_one_place(service: Json, spec: Spec) -> None:
    """overlaps: panels of a closed row are looked at too, among themselves."""
    panel(service, "Calls")["gridPos"]["w"] = 12
    assert "overlaps “Calls, p95”" in found(service, spec)["overlaps"][0]


def test_a_panel_outside_the_grid(service: Json, spec: Spec) -> None:
    """overlaps: a panel wider than the grid is found."""
    panel(service, "In flight, and clients that left")["gridPos"]["w"] = 20
    assert "outside the grid" in found(service, spec)["overlaps"][0]


def test_a_metric_that_nobody_exposes(service: Json, spec: Spec) -> None:
    """metrics: a misspelt name is found, and the right one suggested."""
    panel(service, "Requests")["targets"][0]["expr"] = "sum(etter_request_total)"
    assert "did you mean etter_requests_total?" in found(service, spec)["metrics"][0]


def test_a_query_that_asks_nothing(service: Json, spec: Spec) -> None:
    """metrics: an empty query and a panel without any are found."""
    panel(service, "Requests")["targets"][0]["expr"] = ""
    panel(service, "Status mix")["targets"] = []
    assert len(found(service, spec)["metrics"]) == 2


def test_red_and_green_lines(service: Json, spec: Spec) -> None:
    """colours: Grafana's own palette, and a colour by name, are found."""
    one = panel(service, "Status mix")["fieldConfig"]
    one["defaults"]["color"]["mode"] = "palette-classic"
    one["overrides"][0]["properties"][0]["value"]["fixedColor"] = "red"
    assert len(found(service, spec)["colours"]) == 2


def test_a_heat_map_in_rainbow_colours(service: Json, spec: Spec) -> None:
    """colours: a heat map whose scale is uneven to the eye is found."""
    panel(service, "Distribution of durations")["options"]["color"]["scheme"] = "Spectral"
    assert "not readable" in found(service, spec)["colours"][0]


def test_a_dead_link(service: Json, spec: Spec) -> None:
    """links: a link to no dashboard is found."""
    panel(service, "Server errors")["links"][0]["url"] = "/d/etter-obs-lgos?a=b"
    assert "which is not a dashboard" in found(service, spec)["links"][0]


def test_a_link_that_forgets_the_time(service: Json, spec: Spec) -> None:
    """links: a link that loses service, environment or time is found."""
    panel(service, "Server errors")["links"][0]["url"] = "/d/etter-obs-logs-traces"
    assert "loses service, environment or time" in found(service, spec)["links"][0]


def test_a_red_panel_that_leads_nowhere(service: Json, spec: Spec) -> None:
    """links: a panel that can be red and has no way on is found."""
    panel(service, "Server errors")["links"] = []
    assert "links neither to a runbook" in found(service, spec)["links"][0]


def test_a_dashboard_without_the_list_of_the_others(service: Json, spec: Spec) -> None:
    """links: a dashboard that one cannot leave is found."""
    service["links"] = []
    assert "no list of the dashboards" in found(service, spec)["links"][0]


def test_durations_without_exemplars(service: Json, spec: Spec) -> None:
    """exemplars: a graph of durations without a way to a trace is found."""
    for target in panel(service, "Duration of all requests")["targets"]:
        target["exemplar"] = False
    assert "exemplars" in found(service, spec)["exemplars"][0]


def test_a_dashboard_that_asks_too_much(service: Json, spec: Spec) -> None:
    """queries: more than thirty queries at once are found; those of a closed row do not count."""
    assert "queries" not in found(service, spec)
    target = panel(service, "Status mix")["targets"][0]
    panel(service, "Status mix")["targets"] = [target] * 40
    assert "the limit is 30" in found(service, spec)["queries"][0]


def test_a_variable_that_nobody_declares(service: Json, spec: Spec) -> None:
    """variables: a query that uses what does not exist is found."""
    panel(service, "Requests")["targets"][0]["expr"] = 'sum(etter_requests_total{a="$tenant"})'
    assert "tenant is not declared" in found(service, spec)["variables"][0]


def test_a_variable_that_nobody_uses(service: Json, spec: Spec) -> None:
    """variables: a drop-down that changes nothing is found."""
    service["templating"]["list"].append({"name": "tenant", "type": "custom"})
    assert "tenant is declared but not used" in found(service, spec)["variables"][0]


def test_a_generated_dashboard_that_hides_it(service: Json, spec: Spec) -> None:
    """generated: one of our ids without the warning, and one without any id, are found."""
    service["description"] = "By hand"
    assert "generated" in found(service, spec)["generated"][0]
    service["uid"] = ""
    assert "no uid" in found(service, spec)["generated"][0]


def test_every_rule_has_a_test_that_sees_it_complain() -> None:
    """No rule of the linter goes without a test of its own in this file."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [rule for rule in RULES if f'found(service, spec)["{rule}"]' not in source] == []


def test_the_meanings_differ_for_every_eye() -> None:
    """Protanopes and deuteranopes tell good, warning and bad apart; not so red and green."""
    assert min(difference(GOOD, WARN), difference(WARN, BAD), difference(GOOD, BAD)) > 15
    assert difference("#FF0000", "#887700") < 15
    assert {GOOD, WARN, BAD} <= PALETTE


def test_the_command_says_that_all_is_well() -> None:
    """`etter-obs dashboards check` in the repository ends with 0 and says what it looked at."""
    result = CliRunner().invoke(main, ["dashboards", "check", "--dir", str(ROOT)])
    assert result.exit_code == 0, result.output
    assert "9 dashboards" in result.output


def test_the_command_names_file_panel_and_rule(service: Json, tmp_path: Path) -> None:
    """A finding ends the command with 1 and says where it is and which rule it broke."""
    path = tmp_path / "mine.json"
    del panel(service, "Requests")["fieldConfig"]["defaults"]["unit"]
    path.write_text(json.dumps(service))
    result = CliRunner().invoke(main, ["dashboards", "check", "--dir", str(ROOT), str(path)])
    assert result.exit_code == 1
    assert f"{path}: “Requests”: it has no unit" in result.output
    assert "[units]" in result.output


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '{"panels": 5}', '{"panels": [1]}', '{"templating": {"list": [1]}}']
)
def test_what_is_no_dashboard_is_refused(text: str, tmp_path: Path) -> None:
    """Anything but a dashboard ends the command with 2 and one message that names the file."""
    path = tmp_path / "mine.json"
    path.write_text(text)
    result = CliRunner().invoke(main, ["dashboards", "check", "--dir", str(ROOT), str(path)])
    assert result.exit_code == 2
    assert str(path) in result.output
    assert "Traceback" not in result.output
