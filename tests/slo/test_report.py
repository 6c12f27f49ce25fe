"""`etter-obs slo report` on a real Prometheus whose history is known."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etter_obs._internal.cli import main
from stack.build import binary
from stack.native import running
from tests.http_server import http_server
from tests.slo.specs import text_of

DAY = 86400
# Yesterday at six: a whole period before it, and a day that is not whole.
END = int(time.time()) // DAY * DAY - DAY + 6 * 3600
START = END - 7 * DAY
PER_TICK = 10
"""Events of each 30 s, of every SLO."""
SLOS = (
    "{ name: availability, description: No server error., objective: %s, "
    "sli: { requests: { bad_status: 5xx } } }",
    "{ name: latency, description: Fast enough., objective: 95%, "
    "sli: { latency: { threshold: 500ms } } }",
    "{ name: database, description: Never measured., objective: 95%, "
    "sli: { latency: { metric: db_query_duration_seconds, threshold: 100ms } } }",
)
OF_SHOP = 'service="shop",environment="test"'
SCRAPED = 'job="shop",environment="test",instance="i0",method="GET"'
DURATION = "etter_request_duration_seconds"


def bad_share(slo: str, day: int) -> float:
    """Of the events of the n-th whole or part day of the period, how many were bad."""
    return {"availability": {2: 0.3, 5: 0.1}, "latency": {4: 0.2}}[slo].get(day, 0.0)


def recordings() -> Iterator[str]:
    """The base recordings of the period, in OpenMetrics."""
    for slo in ("availability", "latency"):
        of = f'{{{OF_SHOP},slo="{slo}"}}'
        # A tick at a midnight counts what came before it.
        ticks = [(at, (at - 1) // DAY - START // DAY) for at in range(START + 30, END + 30, 30)]
        for at, _ in ticks:
            yield f"slo:total:increase{of} {PER_TICK} {at}\n"
        for at, day in ticks:
            yield f"slo:bad:increase{of} {PER_TICK * bad_share(slo, day):g} {at}\n"


def counters() -> Iterator[str]:
    """The app's own counters, each hour: three routes fail at different rates, one is slow."""
    hours = range(START, END + 3600, 3600)
    for route, failures in (("/a", 1), ("/b", 5), ("/c", 0)):
        where = f'{SCRAPED},endpoint="{route}"'
        for n, at in enumerate(hours):
            yield f'etter_requests_total{{{where},status="500"}} {failures * n} {at}\n'
        for n, at in enumerate(hours):
            yield f'{DURATION}_count{{{where},status_class="2xx"}} {100 * n} {at}\n'
        fast = 90 if route == "/c" else 100
        for n, at in enumerate(hours):
            yield f'{DURATION}_bucket{{{where},status_class="2xx",le="0.5"}} {fast * n} {at}\n'


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Prometheus that holds the history above."""
    folder = tmp_path_factory.mktemp("report")
    history = folder / "history.om"
    with history.open("w") as file:
        file.writelines(recordings())
        file.writelines(counters())
        file.write("# EOF\n")
    blocks = folder / "run" / "data" / "prometheus"
    blocks.mkdir(parents=True)
    backfill = ["tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=64d"]
    subprocess.run([binary("promtool"), *backfill, history, blocks], check=True)
    with running(folder / "run", only=["prometheus"]) as stack:
        yield stack.prometheus


def report(folder: Path, url: str, *more: str, objective: str = "90%", service: str = "") -> Result:
    """Run the command for the period that ends at END."""
    spec = folder / "slo.yaml"
    text = text_of(SLOS[0] % objective, *SLOS[1:], more="period: 7d\n", environment="test")
    spec.write_text(text.replace("shop\n", f"{service or 'shop'}\n", 1))
    end = datetime.fromtimestamp(END, UTC).strftime("%Y-%m-%dT%H:%M")
    arguments = ["--dir", str(folder), "--prometheus", url, "--at", end, *more]
    return CliRunner().invoke(main, ["slo", "report", *arguments])


def day(number: int) -> str:
    """The date of the n-th day of the period."""
    return datetime.fromtimestamp(START // DAY * DAY + number * DAY, UTC).strftime("%Y-%m-%d")


@pytest.mark.e2e
def test_the_figures_are_those_of_the_history(prometheus: str, tmp_path: Path) -> None:
    """Attainment, budget, worst days and worst routes are those that the history was made with."""
    result = report(tmp_path, prometheus, "--format", "json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    availability, latency = told["slos"]
    events = PER_TICK * 7 * DAY / 30
    bad = PER_TICK * DAY / 30 * (0.3 + 0.1)
    assert availability["events"] == pytest.approx(events)
    assert availability["bad"] == pytest.approx(bad)
    assert availability["attainment"] == pytest.approx(1 - bad / events)
    assert availability["budget_left"] == pytest.approx(1 - bad / events / 0.1)
    assert [(part["name"], round(part["bad"] / bad, 3)) for part in availability["worst_days"]] == [
        (day(2), 0.75),
        (day(5), 0.25),
    ]
    assert [part["name"] for part in availability["worst_routes"]] == ["/b", "/a"]
    assert [part["name"] for part in latency["worst_days"]] == [day(4)]
    assert [part["name"] for part in latency["worst_routes"]] == ["/c"]
    assert told["no_data"] == ["database"]


@pytest.mark.e2e
def test_a_spent_budget_fails_the_gate(prometheus: str, tmp_path: Path) -> None:
    """With an objective that the history broke, the exit code is 1 and the SLO is named."""
    result = report(tmp_path, prometheus, objective="99%")
    assert result.exit_code == 1
    assert "Budget spent: availability." in result.output


@pytest.mark.e2e
def test_markdown_is_a_document(prometheus: str, tmp_path: Path) -> None:
    """--format markdown gives a heading and tables whose rows all have the same columns."""
    result = report(tmp_path, prometheus, "--format", "markdown")
    lines = result.output.splitlines()
    assert lines[0].startswith("## shop in test, 7d to ")
    rows = [line for line in lines if line.startswith("|")]
    assert {row.count("|") for row in rows} == {7, 4}
    assert any("availability" in row and "90%" in row for row in rows)


@pytest.mark.e2e
def test_a_service_that_prometheus_does_not_know_is_an_error(
    prometheus: str, tmp_path: Path
) -> None:
    """A name without recordings is exit code 2 and a message with the name, not a full budget."""
    result = report(tmp_path, prometheus, service="unknown")
    assert result.exit_code == 2
    assert "no recordings of service 'unknown'" in result.output


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1", "not reachable"),
        ("localhost:9090", "is not a URL"),
        ("ftp://localhost", "is not a URL"),
        ("http://localhost:9090/?tenant=a", "is not a URL"),
    ],
)
def test_without_a_prometheus_there_is_no_verdict(url: str, said: str, tmp_path: Path) -> None:
    """An unreachable server or a wrong URL is one line and exit code 2."""
    result = report(tmp_path, url)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": {"result": [1]}}'])
def test_a_server_that_is_not_a_prometheus_is_reported(body: bytes, tmp_path: Path) -> None:
    """A server that answers something else is reported as not a Prometheus; exit code 2."""
    with http_server(lambda _: (200, body)) as url:
        result = report(tmp_path, url)
    assert result.exit_code == 2, result.output
    assert "not from a Prometheus" in result.output
