"""What the generator writes, as Grafana will read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etter_obs._internal.conventions import Dashboard
from etter_obs._internal.dashboards import dashboards
from etter_obs._internal.dashboards.lint.model import BoardView
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.text.yaml import GENERATED
from tests.slo.specs import error_of, text_of


def test_every_dashboard_is_generated_under_its_own_id(boards: list[BoardView]) -> None:
    """Each id that links may name has exactly one dashboard, in the file of that id."""
    assert {board.raw["uid"]: board.path for board in boards} == {
        which.value: which.path for which in Dashboard
    }


def test_the_same_spec_gives_the_same_bytes(spec: Spec, texts: dict[str, str]) -> None:
    """Generating twice changes nothing: git and `generate --check` see only real changes."""
    assert dashboards(spec) == texts


def test_the_first_line_says_that_the_file_is_generated(texts: dict[str, str]) -> None:
    """The first line of a generated dashboard says not to edit it."""
    for text in texts.values():
        assert GENERATED in text.splitlines()[0]
        assert text.endswith("}\n")


def test_states_are_shown_by_their_names(boards: list[BoardView]) -> None:
    """No panel of states takes its colours from thresholds: Grafana would show "1+" for "up"."""
    panels = [p for board in boards for p in board.panels if p.kind == "state-timeline"]
    assert panels
    for panel in panels:
        assert panel.defaults["mappings"], panel.title
        assert panel.defaults["color"]["mode"] != "thresholds", panel.title


@pytest.mark.parametrize("which", [Dashboard.SLO_DETAIL, Dashboard.SLO_OVERVIEW])
def test_what_an_slo_is_now_is_asked_for_now(which: Dashboard, boards: list[BoardView]) -> None:
    """No number of an SLO is that of a wide view's last full step, which ended minutes ago."""
    board = next(board for board in boards if board.raw["uid"] == which)
    numbers = [panel for panel in board.panels if panel.kind == "stat"]
    assert numbers
    for panel in numbers:
        assert [(t["instant"], t["range"]) for t in panel.targets] == [(True, False)], panel.title


def test_a_changed_threshold_changes_its_lines_and_nothing_else(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    """500 ms to 700 ms in slo.yaml moves exactly the threshold steps at 500 ms."""
    root = Path(__file__).parents[2]
    other = tmp_path / "slo.yaml"
    other.write_text(
        (root / "slo.yaml").read_text().replace("threshold: 500ms", "threshold: 700ms")
    )
    changed = dashboards(load_spec(other))
    differing = [
        (before, after)
        for path, text in texts.items()
        for before, after in zip(text.splitlines(), changed[path].splitlines(), strict=True)
        if before != after
    ]
    assert differing
    for before, after in differing:
        moved = (
            before.replace('"value": 0.5', '"value": 0.7')
            .replace('"value": 0.4', '"value": 0.56')
            .replace('le=\\"0.5\\"', 'le=\\"0.7\\"')
        )
        assert after == moved


def test_a_spec_without_targets_gives_dashboards_without_red(tmp_path: Path) -> None:
    """If slo.yaml has no target for a value, its panel has no limit and no red."""
    small = tmp_path / "slo.yaml"
    small.write_text(
        "version: 1\nservice: shop\nenvironment: test\nteam: web\nmetric_prefix: shop\n"
        "receivers: {page: {webhook: {url_file: a}}, ticket: {webhook: {url_file: a}}}\n"
        "slos: [{name: up, description: It answers., objective: 99%,"
        " sli: {requests: {bad_status: 5xx}}}]\n"
    )
    built = dashboards(load_spec(small))
    service = BoardView("", json.loads(built[Dashboard.SERVICE.path]))
    p99 = next(panel for panel in service.panels if panel.title == "p99")
    assert len(p99.steps) == 1
    assert "shop_requests_total" in built[Dashboard.SERVICE.path]
    assert not any("etter_requests_total" in text for text in built.values())


def test_no_service_has_metrics_for_which_the_dashboards_do_not_ask() -> None:
    """A service with a prefix of its own is refused at its line, and the way out is named."""
    slo = "{ name: up, description: Up., objective: 99%, sli: { requests: { bad_status: 5xx } } }"
    billing = "services:\n  billing: { metric_prefix: bill }\n"
    error = error_of(text_of(slo, more=billing))
    line = text_of(slo, more=billing).splitlines().index("  billing: { metric_prefix: bill }") + 1
    assert error is not None
    assert error.startswith(f"slo.yaml:{line}:14: 'metric_prefix' cannot differ within services")
    assert "a separate project" in error
    everywhere = "metric_prefix: bill\nenvironments: { staging: { metric_prefix: b } }\n"
    assert error_of(text_of(slo, more=everywhere)) is None


@pytest.mark.parametrize("which", [Dashboard.SLO_DETAIL, Dashboard.SLO_OVERVIEW])
def test_slo_dashboards_read_recordings_only(which: Dashboard, boards: list[BoardView]) -> None:
    """SLO panels cost the same at any number of routes: only the part list reads raw series."""
    board = next(board for board in boards if board.raw["uid"] == which)
    for panel in board.panels:
        for target in panel.targets:
            if panel.title != "Bad events by part":
                assert "etter_" not in target["expr"], panel.title
