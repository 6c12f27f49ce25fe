"""`make impact`: what it asks for, how it counts, and what its page says."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Match

from etter_obs._internal.conventions import DB_TIME_PER_REQUEST, REQUESTS
from examples.etter_backend.application import create_app
from examples.etter_backend.backend import Backend
from examples.etter_backend.settings import Settings
from impact.claims import CLAIMS, Claim
from impact.estimates import Estimate, Outcome, estimate, outcome
from impact.experiments import CAPACITIES, EXPERIMENTS, FIGURES, ROUNDS, Capacity, Experiment
from impact.page import page
from impact.results import Block, Results, Run
from impact.series import Delta, Page, Reading
from impact.workloads import World

WORLD = World(tuple("token" for _ in range(48)), "cursor")
SEVERAL: tuple[Experiment | Capacity, ...] = (*EXPERIMENTS, *CAPACITIES)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The example backend, which serves nothing here."""
    settings = Settings.from_env({"ETTER_RUN_DIR": str(tmp_path_factory.mktemp("backend"))})
    app = create_app(Backend(settings))
    yield app
    app.state.observability.shutdown()


@pytest.mark.parametrize("one", SEVERAL, ids=lambda one: one.name)
def test_an_experiment_asks_for_the_routes_that_it_counts(
    app: FastAPI, one: Experiment | Capacity
) -> None:
    """Each request has a route of the backend, and the routes counted are those asked for."""
    draw, found = random.Random(1), set()
    for side in (one.off, one.on):
        for _ in range(300):
            call = side.workload(WORLD, draw)
            scope = {"type": "http", "path": call.path, "method": call.method, "root_path": ""}
            full = [r for r in app.routes if r.matches({**scope, "headers": []})[0] is Match.FULL]
            assert full, call.path
            found.add(call.path)
    shapes = {route: re.compile(re.sub(r"\{\w+\}", r"\\d+", route) + "$") for route in one.routes}
    assert all(any(shape.match(path) for path in found) for shape in shapes.values())
    assert all(any(shape.match(path) for shape in shapes.values()) for path in found)


def test_every_switch_is_measured_and_every_claim_has_its_figure() -> None:
    """Each feature differs between the sides of some experiment; figures and claims match."""
    differs = {name for one in EXPERIMENTS for name in one.on.features ^ one.off.features}
    depth = {"keyset_pages"}  # measured by its depth: page 101 against page 1, on and off
    assert differs | depth == set(EXPERIMENTS[0].on.features) | {"cache"}
    names = {figure.name for figure in FIGURES} | {one.name for one in CAPACITIES}
    assert {claim.figure for claim in CLAIMS if claim.figure} <= names
    # The sixteen of the guide; its resource utilisation has two lines.
    assert len(CLAIMS) == 17
    assert [claim.text for claim in CLAIMS if claim.figure is None] == [
        "Maintenance effort",
        "Production bugs",
    ]


def test_a_delta_counts_the_routes_that_matter() -> None:
    """It is the growth between two pages, over the routes given; other routes do not count."""

    def text(first: int, other: int) -> str:
        return (
            "# TYPE etter_requests_total counter\n"
            f'etter_requests_total{{endpoint="/a",method="GET",status="200"}} {first}\n'
            f'etter_requests_total{{endpoint="/a",method="GET",status="500"}} {first // 10}\n'
            f'etter_requests_total{{endpoint="/b",method="GET",status="200"}} {other}\n'
            "# TYPE etter_db_time_per_request_seconds histogram\n"
            f'etter_db_time_per_request_seconds_sum{{endpoint="/a"}} {first / 100}\n'
        )

    first, last = Page(10.0, text(100, 5)), Page(12.5, text(150, 900))
    delta = Delta(Reading.of(first), Reading.of(last), ("/a",))
    assert delta.seconds == 2.5
    assert delta.growth(REQUESTS) == 55
    assert delta.failures(REQUESTS) == 5
    assert delta.growth(DB_TIME_PER_REQUEST, "_sum") == pytest.approx(0.5)


def results(off: float, on: float) -> Results:
    """Return results in which every figure was ``off`` on one side and ``on`` on the other."""

    def phases(value: float) -> list[list[Block]]:
        return [[(value * n, float(n)) for n in range(10, 15)] for _ in range(ROUNDS)]

    return Results(
        "a machine",
        "versions",
        [Run(at="2026-01-31 09:00", minutes=14.2, experiment="gzip")],
        {
            figure.name: {
                # Without the cache nothing is looked up.
                "off": phases(off) if figure.name != "hit_ratio" else [[(0.0, 0.0)] * 5] * ROUNDS,
                "on": phases(on),
            }
            for figure in FIGURES
        },
        {one.name: {"off": [10, 10], "on": [40, 60]} for one in CAPACITIES},
    )


@pytest.mark.parametrize(
    ("kind", "promised", "on", "said"),
    [
        ("less", (0.5, 0.9), 40.0, Outcome.REPRODUCED),
        ("less", (0.3, 0.4), 40.0, Outcome.MORE),
        ("less", (0.7, 0.9), 40.0, Outcome.LESS),
        ("less", (0.5, 0.9), 100.0, Outcome.NOTHING),
        ("less", (0.5, 0.9), 130.0, Outcome.OPPOSITE),
        ("times_less", (3.0, 5.0), 25.0, Outcome.REPRODUCED),
        ("times_less", (3.0, 5.0), 50.0, Outcome.LESS),
        ("ratio", (0.8, 1.25), 300.0, Outcome.NOT_KEPT),
        ("ratio", (0.8, 1.25), 110.0, Outcome.REPRODUCED),
    ],
)
def test_an_outcome_follows_from_the_interval_and_the_promise(
    kind: str, promised: tuple[float, float], on: float, said: Outcome
) -> None:
    """Where the interval reaches into the promised range it is reproduced; else it says how not."""
    claim = Claim("", "", "", "query_time", kind, promised)  # type: ignore[arg-type]
    assert outcome(claim, estimate(claim, results(100.0, on))) is said


def test_a_capacity_spreads_over_all_pairs_of_phases() -> None:
    """Ten users before, 40 and 60 after: five times as many, from four to six."""
    claim = next(claim for claim in CLAIMS if claim.figure == "users_async")
    made = estimate(claim, results(1.0, 1.0))
    assert isinstance(made, Estimate)
    assert (made.value, tuple(made.interval)) == (5.0, (4.0, 6.0))
    assert outcome(claim, made) is Outcome.REPRODUCED


def test_the_page_has_no_figure_for_what_was_not_measured() -> None:
    """A claim that no software can measure says so; all others have value, interval and result."""
    lines = page(results(100.0, 40.0)).splitlines()
    assert lines[0].startswith("<!-- Generated by `make impact`")
    start = lines.index("## The claims")
    rows = [line.split(" | ") for line in lines[start + 4 : start + 4 + len(CLAIMS)]]
    for claim, cells in zip(CLAIMS, rows, strict=True):
        assert len(cells) == 6
        if claim.figure is None:
            assert (cells[2], cells[3], cells[4]) == ("–", "–", "cannot be measured")
        else:
            assert re.search(r"\d+(%|×) \(.* … .*\)", cells[2])
            assert cells[4].startswith("**")


def test_a_newer_run_replaces_only_what_it_measured(tmp_path: Path) -> None:
    """The other results stay, with the run that they are from; the file keeps everything."""
    old, new = results(100.0, 40.0), results(100.0, 90.0)
    old.runs = [Run(at="a", minutes=1, experiment=name) for name in ("gzip", "pool")]
    new.runs = [Run(at="b", minutes=1, experiment="gzip")]
    new.figures = {"compressed": new.figures["compressed"]}
    both = old.replaced_by(new)
    assert [(run["at"], run["experiment"]) for run in both.runs] == [("a", "pool"), ("b", "gzip")]
    assert both.figures["compressed"] == new.figures["compressed"]
    assert both.figures["throughput"] == old.figures["throughput"]
    assert both.missing(["gzip", "pool", "etag"]) == ["etag"]
    both.save(tmp_path / "results.json")
    assert Results.load(tmp_path / "results.json").missing(["etag"]) == ["etag"]
