"""`etter-obs slo gate`: whether a load test that locust really ran held the spec's targets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etter_obs._internal.cli import main
from tests.http_server import http_server
from tests.slo.specs import text_of

USERS = 4
SLOS = (
    "{{ name: availability, description: No server error., objective: {availability}, "
    "sli: {{ requests: {{ bad_status: 5xx }} }} }}",
    "{{ name: client-errors, description: Few client errors., objective: {client_errors}, "
    "sli: {{ requests: {{ bad_status: 4xx }} }} }}",
    "{{ name: latency-p95, description: Fast enough., objective: 95%, "
    "sli: {{ latency: {{ threshold: {threshold}{routes} }} }} }}",
    "{{ name: db-latency, description: No business of a load generator., objective: 95%, "
    "sli: {{ latency: {{ metric: db_query_duration_seconds, threshold: 1ms }} }} }}",
)
MORE = """\
streaming_routes: {streaming}
load_test: {{ throughput: {throughput}, users: {users} }}
"""
EASY = {
    "availability": "90%",
    "client_errors": "50%",
    "threshold": "10s",
    "routes": "",
    "streaming": "[]",
    "throughput": "1/s",
    "users": USERS,
}
LOCUSTFILE = """\
from locust import HttpUser, constant, task

class Caller(HttpUser):
    wait_time = constant(0.05)

    @task(8)
    def good(self):
        self.client.get("/good")

    @task(2)
    def missing(self):
        self.client.get("/missing")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix of a real run's CSV files; its JSON report is beside them as run.json."""
    folder = tmp_path_factory.mktemp("locust")
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    with http_server(lambda call: (200 if call.path == "/good" else 404, b"")) as url:
        command = [sys.executable, "-m", "locust", "--headless", "--skip-log"]
        command += [
            "-f",
            "locustfile.py",
            "-u",
            str(USERS),
            "-r",
            str(USERS),
            "-t",
            "5s",
            "--exit-code-on-error",
            "0",
        ]
        command += ["-H", url]
        command += ["--csv", "run", "--json-file", "run"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def gate(folder: Path, run: Path, *more: str, **targets: object) -> Result:
    """Run the gate on ``run`` with a spec that is easy but for ``targets``."""
    spec = folder / "slo.yaml"
    given = {**EASY, **targets}
    slos = (slo.format(**given) for slo in SLOS)
    spec.write_text(text_of(*slos, more=MORE.format(**given)))
    return CliRunner().invoke(main, ["slo", "gate", str(run), "--dir", str(folder), *more])


def test_a_run_within_every_target_holds(run: Path, tmp_path: Path) -> None:
    """Every target held gives exit code 0, and each is shown, but none of the database."""
    result = gate(tmp_path, run)
    assert result.exit_code == 0, result.output
    for target in ("throughput", "users", "availability", "client-errors", "latency-p95"):
        assert target in result.output
    assert "db-latency" not in result.output


@pytest.mark.parametrize(
    ("target", "missed"),
    [
        ({"throughput": "100000/s"}, "throughput"),
        ({"users": USERS + 1}, "users"),
        ({"client_errors": "99%"}, "client-errors"),
        ({"threshold": "100us"}, "latency-p95"),
    ],
)
def test_one_target_missed_fails_the_gate(
    run: Path, tmp_path: Path, target: dict[str, object], missed: str
) -> None:
    """Whichever target is missed, the exit code is 1 and only that target is reported."""
    result = gate(tmp_path, run, "--format", "json", **target)
    assert result.exit_code == 1, result.output
    verdicts = json.loads(result.output)["targets"]
    assert [verdict["target"] for verdict in verdicts if not verdict["held"]] == [missed]


def test_a_404_does_not_count_against_availability(run: Path, tmp_path: Path) -> None:
    """A fifth of the requests got 404; availability at 99.9 % holds nevertheless."""
    assert gate(tmp_path, run, availability="99.9%").exit_code == 0


def test_the_json_report_gives_the_exact_share(run: Path, tmp_path: Path) -> None:
    """The distribution in the JSON report is judged against the threshold itself."""
    report = run.with_suffix(".json")
    held = gate(tmp_path, report, "--users", str(USERS), availability="10%")
    assert held.exit_code == 0, held.output
    assert "100.00% within" in held.output
    too_slow = gate(tmp_path, report, "--users", str(USERS), availability="10%", threshold="100us")
    assert too_slow.exit_code == 1


def test_a_json_report_needs_to_be_told_the_users(run: Path, tmp_path: Path) -> None:
    """The JSON report does not record users: without --users that is an error, not a pass."""
    result = gate(tmp_path, run.with_suffix(".json"))
    assert result.exit_code == 2
    assert "--users" in result.output


def test_a_route_is_judged_by_its_own_requests(run: Path, tmp_path: Path) -> None:
    """A latency SLO of one route looks at that route; a route never called is an error."""
    assert gate(tmp_path, run, routes=", routes: [/good]").exit_code == 0
    result = gate(tmp_path, run, routes=", routes: [/other]")
    assert result.exit_code == 2
    assert "/other" in result.output


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_a_run_of_streaming_routes_alone_shows_no_latency(
    run: Path, tmp_path: Path, suffix: str
) -> None:
    """If every route streams, one line says so, exit code 2; other targets are judged alone."""
    path, more = run.with_suffix(suffix), ("--users", str(USERS))
    alone = gate(tmp_path, path, *more, streaming="[/good, /missing]")
    assert alone.exit_code == 2, alone.output
    assert "latency-p95: the run asked for streaming routes alone" in alone.output
    beside = gate(tmp_path, path, *more, streaming="[/missing]", availability="10%")
    assert beside.exit_code == 0, beside.output


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("no_such", None, "no such file"),
        ("run", "Type,Name\nGET,/\n", "no column 'Request Count'"),
        ("run", "Name,Request Count,Failure Count,Requests/s,50%\nAggregated,x,0,1,2\n", ":2:"),
        ("run", "Name,Request Count,Failure Count,Requests/s,50%\nAggregated,1\n", "incomplete"),
        ("run", "Name,Request Count,Failure Count,Requests/s,50%\n/,1,0,1,2\n", "Aggregated"),
        ("run", "Name,Request Count,Failure Count,Requests/s\nAggregated,0,0,0\n", "no request"),
        ("run.json", "{", "not JSON"),
        ("run.json", '[{"name": "/"}]', "not a report"),
        ("run.json", "[]", "not a report"),
    ],
)
def test_what_is_no_locust_run_is_an_error(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    """A missing, foreign, cut or empty file is one line that says what is wrong, exit code 2."""
    path = tmp_path / name
    if text is not None:
        target = path if path.suffix == ".json" else path.with_name(f"{name}_stats.csv")
        target.write_text(text)
    result = gate(tmp_path, path, "--users", "5")
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Traceback" not in result.output
