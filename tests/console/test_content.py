"""What the console shows of a real app under a real server, with a database and Redis."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.console.seen import Console, console
from tests.logs.secrets import EXAMPLES
from tests.services import Redis, free_port
from tests.waiting import eventually

ANSWERS = ("overview", "requests", "logs", "health")


@pytest.fixture
def app(redis_server: Redis) -> Iterator[Console]:
    """A running app with its console."""
    with console(environment={"REDIS_URL": redis_server.url}) as running:
        yield running


def test_a_request_shows_its_calls_lines_exception_and_repeated_statement(app: Console) -> None:
    """One request each: SQL without values, Redis, an outgoing call without its query, a failure.

    Nothing is sampled (APM is off), and every request has its calls in the order of their starts,
    within its own duration.
    """
    app.run.get("/items/12")
    app.run.get("/calls")
    app.run.get("/boom")
    items = app.request("/items/12")
    assert [call["kind"] for call in items["calls"]] == ["sql"] * 12
    assert items["calls"][0]["name"] == "SELECT ?, ?"
    assert items["repeated"] == {"statement": "SELECT ?, ?", "runs": 12}
    lines = eventually(
        lambda: [line["message"] for line in app.request("/items/12")["lines"]], deadline_s=10
    )
    assert "items were read" in lines
    calls = app.request("/calls")
    kinds = [(call["kind"], call["name"].split("/")[0], call["outcome"]) for call in calls["calls"]]
    assert ("redis", "SET", "") in kinds
    assert ("http", "GET http:", "200") in kinds
    assert all(call["start_ms"] >= 0 for call in calls["calls"])
    assert all(call["start_ms"] + call["ms"] <= calls["ms"] for call in calls["calls"])
    boom = app.request("/boom")
    (exception,) = boom["exceptions"]
    assert (boom["status"], boom["error"], exception["type"]) == (500, "ValueError", "ValueError")
    assert "in boom" in exception["traceback"]


def test_budgets_routes_and_health_agree_with_what_was_asked(app: Console) -> None:
    """Of 20 requests one fails: 20 events, one bad, by its route; the budget of 99.9 % is spent."""
    for number in range(19):
        app.run.get(f"/items/{number % 3}")
    app.run.get("/boom")
    overview = app.ask("overview")
    slos = {slo["name"]: slo for slo in overview["slos"]}
    availability = slos["availability"]
    assert (availability["total"], availability["bad"]) == (20, 1)
    assert availability["eaten_by"] == [{"part": "/boom", "bad": 1}]
    assert availability["budget_left"] == pytest.approx(1 - (1 / 20) / 0.001)
    assert availability["burn"]["5m"] == pytest.approx(50)
    assert slos["latency-p99"]["total"] == 19  # failures have no latency
    assert slos["db-latency-p95"]["total"] == sum(number % 3 for number in range(19))
    assert not slos["cpu"]["counted"]
    routes = {row["endpoint"]: row for row in overview["routes"]}
    assert (routes["/boom"]["total_server_errors"], routes["/items/{count}"]["total"]) == (1, 19)
    checks = {check["name"]: check["healthy"] for check in app.ask("health")["checks"]}
    assert checks == {"database": True, "redis": True}


def test_no_planted_secret_is_in_any_answer(app: Console) -> None:
    """Every writing of a secret, in a path, a log line and an exception: no answer contains it."""
    for _, written, _ in EXAMPLES:
        app.run.get("/say", params={"line": written})
        app.run.get("/boom", params={"line": written})
        app.run.get(f"/paths/{quote(written, safe='')}")
    app.run.get("/calls")
    eventually(lambda: app.ask("logs")["seen"] > 2 * len(EXAMPLES), deadline_s=30)
    rows = app.ask("requests")["rows"]
    answers = [json.dumps(app.ask(question)) for question in ANSWERS]
    answers += [json.dumps(app.ask(f"request?key={row['key']}")) for row in rows]
    texts = [decoded for answer in answers for decoded in (answer, json.dumps(json.loads(answer)))]
    shown = {name for name, _, secret in EXAMPLES for text in texts if secret in text}
    assert not shown, shown
    assert app.token not in "".join(answers)


def test_the_workers_of_a_server_have_one_page_and_one_token() -> None:
    """Requests of both workers are in every answer, whichever is asked; the link is printed once.

    Their sockets are in a folder that only this user can enter. A worker that hangs is named.
    """
    with console("uvicorn-workers") as app:

        def pids() -> set[str]:
            app.run.get("/items/1")
            return {row["key"].split(".")[0] for row in app.ask("requests")["rows"]}

        both = eventually(lambda: pids() if len(pids()) == 2 else None, deadline_s=60, every_s=0.01)
        workers = eventually(
            lambda: found if len(found := app.ask("overview")["workers"]) == 2 else None,
            deadline_s=30,
        )
        assert {str(worker["pid"]) for worker in workers} == both
        printed = [line for line in app.run.output if "etter-obs console:" in line]
        assert len(printed) == 1
        assert not any(app.token in line for line in app.run.output if line not in printed)
        folder = _folder_of(app)
        state = folder.stat()
        assert (stat.S_IMODE(state.st_mode), state.st_uid) == (0o700, os.getuid())
        assert len(list(folder.glob("console-*.sock"))) == 2


def _folder_of(app: Console) -> Path:
    """Return the folder in which the app's workers have their sockets."""
    base = Path(os.environ.get("TMPDIR", "/tmp")) / f"etter-obs-{os.getuid()}"
    (token,) = [path for path in base.glob("*/console-token") if path.read_text() == app.token]
    return token.parent


def test_a_management_port_has_the_console_instead_of_the_app() -> None:
    """With a management port, the link leads there, and the app answers 404."""
    port = free_port()
    with console(environment={"ETTER_OBS_MANAGEMENT_PORT": str(port)}) as app:
        assert app.url == f"http://127.0.0.1:{port}/_obs/"
        bearer = {"Authorization": f"Bearer {app.token}"}
        assert httpx.get(f"{app.url}api/overview", headers=bearer).json()["service"] == "etter"
        assert httpx.get(app.url, headers=bearer).text.startswith("<!doctype html>")
        assert app.run.get("/_obs/", headers=bearer).status_code == 404
