"""After a load, every query of every rule and panel is answered by the real stack."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from etter_obs.dashboards.queries import Query, panel_queries
from tests.e2e.allowed_empty import PANELS, SELECTORS
from tests.e2e.conftest import Observed
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

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
    groups = httpx.get(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 50, "the rules are not loaded"
    assert [r["name"] for r in rules if r["health"] == "err"] == []

    wanted: dict[str, set[str]] = {}
    for rule in rules:
        parsed = httpx.get(
            f"{prometheus}/api/v1/parse_query", params={"query": rule["query"]}
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

    # the rules over 30 days run every four minutes, and need their first sample
    eventually(lambda: not empty(), deadline_s=420, every_s=5, tell=empty)


def test_every_query_of_every_panel_returns_data(observed_under_load: Observed) -> None:
    """Each panel's query has an answer in Prometheus or Loki, or is listed with its reason."""
    stack = observed_under_load.stack
    queries = [q for path in DASHBOARDS for q in panel_queries(json.loads(path.read_text()))]
    assert len(queries) > 10, "the dashboards are not there"

    def answered(query: Query) -> bool:
        if query.datasource == "prometheus":
            return bool(ask(stack.prometheus, query.expr))
        answer = httpx.get(
            f"{stack.loki}/loki/api/v1/query_range",
            params={"query": query.expr, "start": int((time.time() - 3600) * 1e9), "limit": 1},
            timeout=30,
        )
        assert answer.status_code == 200, f"{query}: {answer.text}"
        return bool(answer.json()["data"]["result"])

    def empty() -> list[str]:
        return [
            f"{q.dashboard} / {q.panel}: {q.expr}"
            for q in queries
            if (q.dashboard, q.panel) not in PANELS and not answered(q)
        ]

    eventually(lambda: not empty(), deadline_s=180, every_s=5, tell=empty)
