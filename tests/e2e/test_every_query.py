"""After a load, the real stack returns data for every query of every rule and panel."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from etter_obs._internal.conventions import log_fields
from etter_obs._internal.dashboards.lint.model import BoardView, Json
from etter_obs._internal.dashboards.lint.rendered_queries import (
    Query,
    listed_by,
    opening_values,
    panel_queries,
)
from tests import tempo
from tests.e2e.allowed_empty import ANY_VALUE, PANELS, SELECTORS, VALUES
from tests.e2e.conftest import Observed
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.waits]

ALL_RULES_RAN_S = 420
"""The rules over 30 days run every four minutes; until then their series have no sample."""
DASHBOARDS = sorted((Path(__file__).parents[2] / "grafana" / "dashboards").glob("*.json"))


def ask(prometheus: str, expression: str) -> list[Any]:
    """The instant vector that Prometheus gives for ``expression``; a scalar counts as one."""
    answer = httpx.get(
        f"{prometheus}/api/v1/query", params={"query": expression}, timeout=30
    ).json()
    assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
    data = answer["data"]
    return [data["result"]] if data["resultType"] in ("scalar", "string") else data["result"]


def selectors(node: Any) -> Iterator[str]:
    """Every series selector in an expression that Prometheus itself has parsed, as PromQL."""
    if isinstance(node, list):
        for part in node:
            yield from selectors(part)
    elif isinstance(node, dict):
        if node.get("type") == "vectorSelector":
            matchers = ",".join(
                f"{m['name']}{m['type']}{json.dumps(m['value'])}" for m in node["matchers"]
            )
            yield f"{{{matchers}}}"
        else:
            for value in node.values():
                yield from selectors(value)


def test_every_query_of_every_rule_returns_data(observed_under_load: Observed) -> None:
    """Each recording and alert reads only series that exist, or is listed with its reason."""
    prometheus = observed_under_load.stack.prometheus
    groups = httpx.get(f"{prometheus}/api/v1/rules", timeout=30).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 50, "the rules are not loaded"
    assert [r["name"] for r in rules if r["health"] == "err"] == []

    wanted: dict[str, set[str]] = {}
    for rule in rules:
        parsed = httpx.get(
            f"{prometheus}/api/v1/parse_query", params={"query": rule["query"]}, timeout=30
        ).json()["data"]
        for selector in selectors(parsed):
            wanted.setdefault(selector, set()).add(rule["name"])

    def empty() -> dict[str, set[str]]:
        return {
            selector: names
            for selector, names in wanted.items()
            # over an hour, so that a series which has ended still counts as having been there
            if not ask(prometheus, f"last_over_time({selector}[1h])")
            and not any(pattern in selector for pattern in SELECTORS)
        }

    eventually(lambda: not empty(), deadline_s=ALL_RULES_RAN_S, every_s=5, tell=empty)


@dataclass(frozen=True, slots=True)
class Asked:
    """A panel's query; ``value`` is that of the one variable which is not as when opened."""

    query: Query
    value: str = ""

    @property
    def may_be_empty(self) -> bool:
        """Whether it is listed, with a reason."""
        panel = self.query.dashboard, self.query.panel
        listed = panel in PANELS or self.value in VALUES.get(panel, ())
        return listed or (bool(self.value) and panel in ANY_VALUE)

    def __str__(self) -> str:
        of = f" of {self.value}" if self.value else ""
        return f"{self.query.dashboard} / {self.query.panel}{of}: {self.query.expr}"


class Sources:
    """What panels and variables ask of the servers, for the last quarter of an hour."""

    SPAN = 900
    REQUESTS = f'{{service_name=~".+"}} | {log_fields.REQUEST_ID}!=""'

    def __init__(self, http: httpx.Client, observed: Observed) -> None:
        self._http = http
        self._prometheus = observed.stack.prometheus
        self._loki = observed.stack.loki
        self._tempo = observed.stack.tempo

    def has_data(self, asked: Asked) -> bool:
        """Whether there is anything to draw: a line of log, a trace, or a number that is one."""
        query = asked.query
        if query.datasource == "loki":
            return bool(self.log(query.expr))
        if query.datasource == "tempo":
            return bool(tempo.search(self._tempo, query.expr, **self._span()))
        assert query.datasource == "prometheus", query
        series = self._get(
            f"{self._prometheus}/api/v1/query_range", query=query.expr, **self._span(), step=15
        )["result"]
        return any(math.isfinite(float(value)) for one in series for _, value in one["values"])

    def values(self, variable: Json, opened: dict[str, str]) -> list[str]:
        """Return what a variable offers: a label's values, or the id of a request."""
        if variable["type"] == "textbox":
            ids = {stream["stream"][log_fields.REQUEST_ID] for stream in self.log(self.REQUESTS)}
            return [min(ids)[:12]]
        if variable["type"] != "query":
            return []  # a data source: there is one of each
        series, label = listed_by(variable, opened)
        found = self._get(
            f"{self._prometheus}/api/v1/label/{label}/values", **{"match[]": series}, **self._span()
        )
        assert found, f"nothing to choose for {variable['name']}"
        return list(found)

    def log(self, expression: str) -> list[Any]:
        """Loki's answer: streams of lines, or series."""
        since = int((time.time() - self.SPAN) * 1e9)
        url = f"{self._loki}/loki/api/v1/query_range"
        return list(self._get(url, query=expression, start=since, limit=1)["result"])

    def _span(self) -> dict[str, float]:
        now = time.time()
        return {"start": now - self.SPAN, "end": now}

    def _get(self, url: str, **parameters: Any) -> Any:
        answer = self._http.get(url, params=parameters)
        assert answer.status_code == 200, f"{parameters}: {answer.text}"
        return answer.json()["data"]


def every_query(sources: Sources, board: BoardView) -> Iterator[Asked]:
    """A board's queries as it opens, and what changes with each value of each variable."""
    opening = panel_queries(board.raw)
    yield from map(Asked, opening)
    opened = opening_values(board)
    for name, variable in board.variables.items():
        for value in sources.values(variable, opened):
            filled = in_regex(value) if variable.get("multi") else value
            for query in panel_queries(board.raw, {name: filled}):
                if query not in opening:
                    yield Asked(as_written(query), value)


def in_regex(value: str) -> str:
    """A value as Grafana writes it for a variable of many: within a string, within a regex."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value)


def as_written(query: Query) -> Query:
    """TraceQL has the regex between backticks, where a backslash is not escaped once more."""
    if query.datasource != "tempo":
        return query
    return replace(query, expr=query.expr.replace("\\\\", "\\"))


def test_every_panel_returns_data_for_every_value(observed_under_load: Observed) -> None:
    """Each panel has data as its dashboard opens and for each value of each variable, or a reason.

    One variable changes at a time, the others hold what the dashboard opens with.
    """
    with httpx.Client(timeout=30) as http, ThreadPoolExecutor(4) as threads:
        sources = Sources(http, observed_under_load)
        boards = [BoardView(path.name, json.loads(path.read_text())) for path in DASHBOARDS]
        wanted = [
            asked
            for board in boards
            for asked in every_query(sources, board)
            if not asked.may_be_empty
        ]
        assert len({asked.value for asked in wanted}) > 25, "the variables offer nothing"

        def empty() -> list[str]:
            found = threads.map(sources.has_data, wanted)
            wanted[:] = [asked for asked, data in zip(wanted, found, strict=True) if not data]
            return [str(asked) for asked in wanted]

        eventually(lambda: not empty(), deadline_s=ALL_RULES_RAN_S, every_s=5, tell=empty)
