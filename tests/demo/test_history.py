"""Synthetic history: what was invented is what the real Prometheus tells."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.history import STEP, backfill, sample_times
from demo.incidents import INCIDENTS, Events, events
from etter_obs._internal.conventions import Dashboard, Label, Rule
from etter_obs._internal.dashboards.lint.rendered_queries import panel_queries
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.rules.recording import groups
from etter_obs._internal.slo.spec.models import Spec
from stack.build import binary
from stack.native import running
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
DAY = 86400


@dataclass(frozen=True, slots=True)
class Known:
    """A Prometheus that knows nothing but the history, and the truth that it was made from."""

    http: httpx.Client
    spec: Spec
    times: list[int]
    truth: dict[str, Events]

    def ask(self, expression: str, at: float) -> dict[str, float]:
        """The instant vector, by SLO."""
        answer = self.http.get("query", params={"query": expression, "time": at}).json()
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return {each["metric"].get(Label.SLO, ""): float(each["value"][1]) for each in result}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """A real Prometheus with the shipped rules, started on the history as the demo starts it."""
    run_dir = tmp_path_factory.mktemp("history")
    spec = load_spec(ROOT / "slo.yaml")
    data, file = run_dir / "data" / "prometheus", run_dir / "history.om"
    data.mkdir(parents=True)
    end = int(time.time())

    def promtool(command: tuple[str, ...]) -> None:
        subprocess.run([binary("promtool"), *command, file, data], check=True, capture_output=True)

    backfill(spec, end, file, promtool)
    times = sample_times(spec, end)
    truth = {slo.name: events(slo, times, STEP) for slo in spec.slos}
    with (
        running(run_dir, only=("prometheus",)) as stack,
        httpx.Client(base_url=f"{stack.prometheus}/api/v1", timeout=30) as http,
    ):
        yield Known(http, spec, times, truth)


def test_attainment_is_that_of_the_events(known: Known) -> None:
    """The share of good events that Prometheus computes over 30 days is the invented one."""
    told = known.ask(
        f"1 - sum_over_time({Rule.BAD_INCREASE}[30d]) / sum_over_time({Rule.TOTAL_INCREASE}[30d])",
        known.times[-1],
    )
    assert set(told) == set(known.truth)
    for name, happened in known.truth.items():
        bad = sum(happened.bad) / sum(happened.total)
        assert 1 - told[name] == pytest.approx(bad, rel=0.01), name


def test_every_recording_is_what_its_rule_computes(known: Known) -> None:
    """At a calm time and within each incident, a rule's expression gives the sample recorded."""
    within = [
        next(at for at in known.times if incident.share(slo, at, known.times[-1]))
        for incident in INCIDENTS
        for slo in list(incident.bad)[:1]
    ]
    compared = 0
    for slo in known.spec.slos:
        rules = [rule for group in groups(known.spec, slo) for rule in group["rules"]]  # type: ignore[attr-defined]
        for rule in rules:
            if "slo:" not in rule["expr"] or rule["record"] in (
                Rule.TOTAL_INCREASE,
                Rule.BAD_INCREASE,
            ):
                continue
            for at in (known.times[-1], *(begin + 2 * STEP for begin in within)):
                own = f'{rule["record"]}{{{Label.SLO}="{slo.name}"}}'
                computed = list(known.ask(rule["expr"], at).values())
                assert list(known.ask(own, at).values()) == pytest.approx(computed), (own, at)
                compared += len(computed)
    assert compared > 300


def test_an_incident_is_seen_by_its_alert(known: Known) -> None:
    """The failed deployment fired the fast page, and nothing else on that day did."""
    outage = INCIDENTS[0]
    end = next(
        at for at in reversed(known.times) if outage.share("availability", at, known.times[-1])
    )
    pages = known.ask('max by (slo) (max_over_time(ALERTS{severity="page"}[1d]))', end)
    assert set(pages) == {"availability"}


def test_budgets_are_worth_a_look(known: Known) -> None:
    """Every SLO has spent some of its budget, availability about a third, and none all of it."""
    left = known.ask(Rule.BUDGET_REMAINING, known.times[-1])
    assert set(left) == set(known.truth)
    assert all(0.3 < share < 0.99 for share in left.values()), left
    # 0.60 to 0.74, by the day of the week on which the failed deployment falls
    assert 0.55 < left["availability"] < 0.8


def test_there_is_a_sample_at_any_time(known: Known) -> None:
    """Between two samples Prometheus still finds the last one, so that no panel has a gap."""
    for offset in range(0, STEP, 60):
        at = known.times[-1] - 10 * DAY + offset
        assert set(known.ask(Rule.BUDGET_REMAINING, at)) == set(known.truth)


def test_the_time_is_marked_as_synthetic(known: Known) -> None:
    """From the first to the last sample a series of its own says that all of this is invented."""
    for at in (known.times[0], known.times[len(known.times) // 2], known.times[-1]):
        assert known.ask(f'{Rule.SYNTHETIC}{{service="etter",environment="production"}}', at)


def test_dashboards_mark_it_each_midnight_and_where_it_ends(known: Known) -> None:
    """A view of three days has a mark for each midnight and one after the end, and no other."""
    board = json.loads((ROOT / Dashboard.SLO_DETAIL.path).read_text())
    [mark] = [
        query.expr
        for query in panel_queries(board, {"__interval": "1h"})
        if query.panel == "annotation Synthetic history"
    ]
    end = known.times[-1]
    hours = range((end - 3 * DAY) // 3600 * 3600, end + 2 * 3600, 3600)
    marks = [at for at in hours if known.ask(mark, at)]
    # The last sample is still found for a step after it.
    midnights = [at for at in hours if at % DAY == 0 and at < end + STEP]
    assert len(midnights) >= 3
    assert marks == [*midnights, next(at for at in hours if at >= end + STEP)]


def test_history_alone_alerts_nobody(known: Known) -> None:
    """As Prometheus evaluates it and at its end, no burn-rate alert is pending or firing."""

    def evaluated() -> list[dict[str, Any]]:
        groups = known.http.get("rules", params={"type": "alert"}).json()
        rules = [rule for group in groups["data"]["groups"] for rule in group["rules"]]
        return rules if all(rule["evaluationTime"] > 0 for rule in rules) else []

    rules = eventually(evaluated, deadline_s=120, every_s=1)
    burning = [rule for rule in rules if rule["labels"].get(Label.TIER)]
    assert len(burning) > 20
    assert [rule["name"] for rule in burning if rule["alerts"]] == []
    for rule in burning:  # also where Prometheus came to it after the history had left the windows
        assert known.ask(rule["query"], known.times[-1]) == {}, rule["name"]
