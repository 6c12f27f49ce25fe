"""What opening a dashboard asks of Prometheus and Loki, and how long each answer takes.

    make demo                                         in another terminal, for as long as you like
    python -m benchmarks.dashboards --prometheus http://127.0.0.1:9090 --loki http://127.0.0.1:3100

Every query is put as Grafana puts it in a window of WIDTH pixels: the panel's share of that width
is its number of points, from which follow step and ``$__rate_interval``; exemplars are fetched
beside the query that shows them. Variables and annotations are queries too. Tempo's queries count
but are not asked, since no Tempo runs natively.

A query's time is the median of REPEATS, until its last byte is there; each ends a minute before
the last, so that no cache knows the answer. It ends with 1 where a dashboard asks more than its
rule allows: a count is a promise, a time depends on the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from etter_obs._internal.conventions import Dashboard, Rule
from etter_obs._internal.dashboards.lint.model import (
    BoardView,
    Json,
    PanelView,
    expression_of,
    source_of,
)
from etter_obs._internal.dashboards.lint.queries import MAX_QUERIES, at_load
from etter_obs._internal.dashboards.lint.rendered_queries import fill, listed_by, opening_values
from etter_obs._internal.dashboards.toolkit.queries import Source
from etter_obs._internal.slo.prometheus.api import Prometheus
from etter_obs._internal.text.units import parse_duration

ROOT: Final = Path(__file__).parents[1]
WIDTH: Final = 1440
COLUMNS: Final = 24
REPEATS: Final = 7
WIDEST: Final = {Dashboard.SLO_OVERVIEW: "30d", Dashboard.SLO_DETAIL: "30d"}
"""Dashboards that are also read over a whole period: their recordings reach back so far."""

SCRAPE: Final = 15
"""Seconds: the data source's ``timeInterval``."""
STEPS: Final = (
    *(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400),
)
"""Seconds: what Grafana rounds a step to, whichever is nearest."""
MOST_POINTS: Final = 11_000
"""Prometheus gives no more of them for a series."""
ANNOTATION_POINTS, ANNOTATION_STEP = 100, 60


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a data source, as of ``end``."""

    method: str
    path: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One query as Grafana counts it, and the requests that it takes; Tempo's have none."""

    title: str
    source: str
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Timed:
    """A query's title, its median time in seconds, and whether it had an answer."""

    title: str
    seconds: float
    answered: bool


def step_of(span: int, points: int, least: int) -> int:
    """Return the seconds between two points, as Grafana rounds them."""
    wanted = max(span / points, span / MOST_POINTS)
    if wanted < least:
        return least
    for step, next_step in pairwise(STEPS):
        if wanted < (step + next_step) / 2:
            return step
    return STEPS[-1]


def queries(board: BoardView, span: int, end: int) -> Iterator[Query]:
    """Yield what Grafana asks when ``board`` is opened on the ``span`` seconds before ``end``."""
    opened = opening_values(board)
    for variable in board.variables.values():
        if variable["type"] == "query":
            yield _variable(variable, opened, span, end)
    for annotation in board.annotations:
        step = step_of(span, ANNOTATION_POINTS, ANNOTATION_STEP)
        expr = fill(annotation["expr"], _filled(opened, span, step))
        request = _range(Source.PROMETHEUS, expr, span, step, end)
        yield Query(f"annotation {annotation['name']}", Source.PROMETHEUS, (request,))
    for panel in board.panels:
        if panel.loads:
            for target in panel.targets:
                yield _query(panel, target, opened, span, end)


def _variable(variable: Json, opened: Mapping[str, str], span: int, end: int) -> Query:
    selector, label = listed_by(variable, opened)
    parameters = {"match[]": selector, "start": end - span, "end": end}
    request = Request("GET", f"/api/v1/label/{label}/values", parameters)
    return Query(f"variable {variable['name']}", Source.PROMETHEUS, (request,))


def _query(
    panel: PanelView, target: Json, opened: Mapping[str, str], dashboard_span: int, end: int
) -> Query:
    source = source_of(panel, target)
    span = (
        int(parse_duration(panel.raw["timeFrom"])) if panel.raw.get("timeFrom") else dashboard_span
    )
    points = WIDTH * panel.raw["gridPos"]["w"] // COLUMNS
    step = step_of(span, points, SCRAPE if source == Source.PROMETHEUS else 1)
    expr = fill(expression_of(target), _filled(opened, span, step))
    requests: list[Request] = []
    if source == Source.LOKI:
        requests.append(_range(source, expr, span, step, end, limit=target.get("maxLines", 1000)))
    elif source == Source.PROMETHEUS:
        if target.get("instant"):
            requests.append(Request("POST", "/api/v1/query", {"query": expr, "time": end}))
        else:
            requests.append(_range(source, expr, span, step, end))
        if target.get("exemplar"):
            parameters = {"query": expr, "start": end - span, "end": end}
            requests.append(Request("GET", "/api/v1/query_exemplars", parameters))
    return Query(panel.title, source, tuple(requests))


def _range(source: str, expr: str, span: int, step: int, end: int, **more: object) -> Request:
    """Both ends lie on a multiple of the step, so that a later look meets the same points."""
    start, end = (end - span) // step * step, end // step * step
    if source == Source.LOKI:
        bounds = {"start": start * 10**9, "end": end * 10**9, "direction": "backward"}
        return Request(
            "GET",
            "/loki/api/v1/query_range",
            {"query": expr, **bounds, "step": f"{step}s", **more},
        )
    bounds = {"start": start, "end": end}
    return Request("POST", "/api/v1/query_range", {"query": expr, **bounds, "step": step})


def _filled(opened: Mapping[str, str], span: int, step: int) -> dict[str, str]:
    return {
        **opened,
        "__range": f"{span}s",
        "__interval": f"{step}s",
        "__rate_interval": f"{max(step + SCRAPE, 4 * SCRAPE)}s",
        "__auto": f"{step}s",
    }


class Servers:
    """The data sources, with one kept connection to each."""

    def __init__(self, prometheus: str, loki: str) -> None:
        self._clients = {
            Source.PROMETHEUS.value: httpx.Client(base_url=prometheus, timeout=60),
            Source.LOKI.value: httpx.Client(base_url=loki, timeout=60),
        }

    def time(self, board: BoardView, span: int) -> list[Timed]:
        """Ask everything REPEATS times, one after the other."""
        now = int(time.time())
        rounds = [list(queries(board, span, now - 60 * again)) for again in range(REPEATS)]
        return [
            self._timed(asked)
            for asked in zip(*rounds, strict=True)
            if asked[0].source != Source.TEMPO
        ]

    def _timed(self, asked: tuple[Query, ...]) -> Timed:
        taken: list[float] = []
        answered: list[bool] = []
        for query in asked:
            started = time.perf_counter()
            answers = [self._send(query.source, request) for request in query.requests]
            taken.append(time.perf_counter() - started)
            answered.append(bool(_data(answers[0])))
        return Timed(asked[0].title, statistics.median(taken), answered[0])

    def _send(self, source: str, request: Request) -> httpx.Response:
        client, parameters = self._clients[source], dict(request.parameters)
        if request.method == "POST":
            answer = client.post(request.path, data=parameters)
        else:
            answer = client.get(request.path, params=parameters)
        if answer.status_code != httpx.codes.OK:
            raise SystemExit(f"{request.parameters}: {answer.text.strip()}")
        return answer


def _data(answer: httpx.Response) -> Any:
    data = answer.json()["data"]
    return data["result"] if isinstance(data, dict) else data


def main() -> int:
    """Print the table; 1 where a dashboard asks too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboards", description=__doc__)
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--loki", required=True, metavar="URL")
    given = parser.parse_args()
    servers = Servers(given.prometheus.rstrip("/"), given.loki.rstrip("/"))
    console = Console(width=120)
    console.print(_what_is_there(Prometheus(given.prometheus)), highlight=False)
    table = Table(
        "dashboard", "in view", "queries", "with data", "median, ms", "slowest, ms", "which"
    )
    too_many = False
    for which in Dashboard:
        board = BoardView(which.path, json.loads((ROOT / which.path).read_text(encoding="utf-8")))
        too_many |= at_load(board) > MAX_QUERIES
        opens = board.raw["time"]["from"].removeprefix("now-")
        for span in dict.fromkeys((opens, WIDEST.get(which, opens))):
            table.add_row(
                board.title, span, *_row(board, servers.time(board, int(parse_duration(span))))
            )
    console.print(table)
    return int(too_many)


def _what_is_there(prometheus: Prometheus) -> str:
    """Say how much history is asked about: the answers' times mean nothing without."""
    now = int(time.time())
    recorded = prometheus.range(Rule.OBJECTIVE, now - 40 * 86400, now, 360)
    since = min(min(series.values) for series in recorded)

    def number(expr: str) -> float:
        return prometheus.instant(expr, now)[0].last

    return (
        f"{(now - since) / 86400:.1f} days of recordings, "
        f"{number('max(count_over_time(up[40d]))') * SCRAPE / 60:.0f} minutes of all else, "
        f"{number('sum(prometheus_tsdb_head_series)'):,.0f} series in memory"
    )


def _row(board: BoardView, timed: list[Timed]) -> Iterator[str]:
    slowest = max(timed, key=lambda one: one.seconds)
    yield str(at_load(board))
    yield str(sum(one.answered for one in timed))
    yield f"{statistics.median(one.seconds for one in timed) * 1000:.1f}"
    yield f"{slowest.seconds * 1000:.0f}"
    yield slowest.title


if __name__ == "__main__":
    sys.exit(main())
