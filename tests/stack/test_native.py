"""The native stack: real programs, from start to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from stack.build import destination
from stack.layout import CHECKOUT
from stack.native import Stack, StackError, running
from tests import tempo
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

_SERVICE = [
    {"key": "service.name", "value": {"stringValue": "etter"}},
    {"key": "deployment.environment.name", "value": {"stringValue": "production"}},
    {"key": "service.instance.id", "value": {"stringValue": "here"}},
]
_TRACE = "0af7651916cd43dd8448eb211c80319c"
_SPAN = "b7ad6b7169203331"
_ONE = ("node_exporter",)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole native stack, for the tests that only send to it and look."""
    with running(tmp_path_factory.mktemp("stack")) as started:
        yield started


def _send(stack: Stack, path: str, body: dict[str, Any]) -> None:
    httpx.post(f"{stack.otlp_http}{path}", json=body, timeout=10).raise_for_status()


def _send_log(stack: Stack, body: str, **attributes: str) -> None:
    record = {
        "timeUnixNano": str(time.time_ns()),
        "severityText": "INFO",
        "body": {"stringValue": body},
        "traceId": _TRACE,
        "spanId": _SPAN,
        "attributes": [
            {"key": key, "value": {"stringValue": value}} for key, value in attributes.items()
        ],
    }
    logs = [{"resource": {"attributes": _SERVICE}, "scopeLogs": [{"logRecords": [record]}]}]
    _send(stack, "/v1/logs", {"resourceLogs": logs})


def _lines(stack: Stack, query: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{stack.loki}/loki/api/v1/query_range", params={"query": query}, timeout=10)
    answer.raise_for_status()
    result: list[dict[str, Any]] = answer.json()["data"]["result"]
    return result


def _span(trace_id: str, **attributes: str) -> dict[str, Any]:
    now = time.time_ns()
    span = {
        "traceId": trace_id,
        "spanId": _SPAN,
        "name": "GET /companies",
        "kind": 2,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1_000_000),
        "attributes": [
            {"key": key, "value": {"stringValue": value}} for key, value in attributes.items()
        ],
    }
    return {"resource": {"attributes": _SERVICE}, "scopeSpans": [{"spans": [span]}]}


def test_every_component_that_runs_is_scraped(stack: Stack) -> None:
    """Prometheus has found all six by their files, and nothing else."""

    def up() -> bool:
        asked = {"query": "up == 1"}
        answer = httpx.get(f"{stack.prometheus}/api/v1/query", params=asked, timeout=10).json()
        jobs = {each["metric"]["job"] for each in answer["data"]["result"]}
        return jobs == {"prometheus", "alertmanager", "otel-collector", "loki", "node", "tempo"}

    eventually(up, deadline_s=60)


def test_a_target_is_taken_up_without_a_reload(stack: Stack) -> None:
    """An app that is announced while Prometheus runs appears among its targets."""
    stack.set_targets("etter", ["127.0.0.1:1"])

    def known() -> bool:
        answer = httpx.get(f"{stack.prometheus}/api/v1/targets", timeout=10).json()
        active = answer["data"]["activeTargets"]
        return any(each["labels"].get("instance") == "127.0.0.1:1" for each in active)

    eventually(known, deadline_s=60)


def test_only_three_labels_index_a_log_line(stack: Stack) -> None:
    """A line is found by service, environment and level; all else is metadata, no streams."""
    _send_log(stack, "only three labels", request_id="r-1")
    query = '{service_name="etter", deployment_environment_name="production"} |= "three labels"'
    eventually(lambda: _lines(stack, query), deadline_s=30)
    answer = httpx.get(f"{stack.loki}/loki/api/v1/series", timeout=10).json()
    labels = {
        "service_name": "etter",
        "deployment_environment_name": "production",
        "severity_text": "INFO",
    }
    assert labels in answer["data"]
    [found] = _lines(stack, f'{query} | request_id="r-1" | trace_id="{_TRACE}"')
    assert found["stream"]["service_instance_id"] == "here"


def test_the_collector_masks_what_looks_secret_in_logs(stack: Stack) -> None:
    """A secret by its attribute's name, or by its form in the text, never reaches Loki."""
    token = "Bearer abcdefghijklmnop"
    _send_log(stack, f"sent {token}", password="hunter2-hunter2", access_token="s3cr3t", ok="kept")
    query = '{service_name="etter"} | ok="kept"'
    [found] = eventually(lambda: _lines(stack, query), deadline_s=30)
    assert not [secret for secret in ("hunter2", "s3cr3t", "abcdefgh") if secret in str(found)]


def test_a_trace_is_found_by_its_id_redacted(stack: Stack) -> None:
    """The trace store answers as Tempo does, without the cookie that the span carried."""
    _send(stack, "/v1/traces", {"resourceSpans": [_span(_TRACE, cookie="session=abc", ok="yes")]})
    [span] = eventually(lambda: tempo.trace(stack.tempo, _TRACE), deadline_s=30)
    assert span.attributes["ok"] == "yes"
    assert "abc" not in span.attributes["cookie"]
    query = '{ resource.service.name = "etter" && span.ok = "yes" }'
    assert tempo.search(stack.tempo, query, span.start, span.start) == [_TRACE]


def test_everything_listens_on_loopback(stack: Stack) -> None:
    """No component has a socket that another machine could reach."""
    listening = [
        connection.laddr.ip
        for pid in stack.pids.values()
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 8
    assert set(listening) <= {"127.0.0.1", "::1"}


def test_a_stack_ends_with_its_block_and_leaves_nothing(tmp_path: Path) -> None:
    """After the block no component runs and no state claims that one does."""
    with running(tmp_path, only=_ONE) as stack:
        pids = list(stack.pids.values())
        assert all(map(_alive, pids))
    assert not any(map(_alive, pids))
    with pytest.raises(StackError, match="no stack runs"):
        Stack.load(tmp_path)


def test_a_late_component_joins_when_it_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stack is ready without it; it starts when its program appears, and is scraped then."""
    built = destination("node_exporter").parent
    monkeypatch.setenv("ETTER_OBS_CACHE", str(tmp_path / "cache"))
    target = tmp_path / "run/config/prometheus/targets/node.yml"
    with running(tmp_path / "run", only=("tempo", *_ONE), late=_ONE) as stack:
        assert not target.exists()
        appears = destination("node_exporter").parent
        appears.parent.mkdir(parents=True)
        appears.symlink_to(built)
        eventually(target.exists, deadline_s=60)
        assert httpx.get(stack.node_exporter, timeout=10).status_code == httpx.codes.OK
    assert not any(map(_alive, stack.pids.values()))


def test_a_stack_ends_with_its_killed_owner(tmp_path: Path) -> None:
    """SIGKILL to the program that started it leaves no component behind."""
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, sys, time\n"
            "from stack.native import running\n"
            f"with running(pathlib.Path({str(tmp_path)!r}), only={_ONE!r}):\n"
            "    sys.stdin.read()\n",
        ],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
    )
    state = tmp_path / "stack.json"
    eventually(state.exists, deadline_s=60)
    pids = list(Stack.load(tmp_path).pids.values())
    owner.kill()
    owner.wait()
    eventually(lambda: not any(map(_alive, pids)), deadline_s=20)


def _up(run_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stack", "up", f"--dir={run_dir}", "--only=node_exporter"]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_sigterm_is_an_orderly_end(tmp_path: Path) -> None:
    """`stack up` stops its components at SIGTERM and exits with 0."""
    up = _up(tmp_path, "--ports=free")
    eventually((tmp_path / "stack.json").exists, deadline_s=60)
    pids = list(Stack.load(tmp_path).pids.values())
    up.send_signal(signal.SIGTERM)
    output, _ = up.communicate(timeout=30)
    assert up.returncode == 0, output
    assert not any(map(_alive, pids))


def test_a_component_that_dies_ends_the_stack_by_name(tmp_path: Path) -> None:
    """`stack up` exits with 1 and says which component ended."""
    up = _up(tmp_path, "--ports=free")
    eventually((tmp_path / "stack.json").exists, deadline_s=60)
    os.kill(Stack.load(tmp_path).pids["node_exporter"], signal.SIGKILL)
    output, _ = up.communicate(timeout=30)
    assert up.returncode == 1, output
    assert "node_exporter ended by itself" in output


def test_a_second_stack_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """Two stacks never share data: the second exits with 2 and says what to do."""
    with running(tmp_path, only=_ONE):
        second = _up(tmp_path, "--ports=free")
        output, _ = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another stack runs" in output


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    """A default port in use: exit code 2, its number, and no component started."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 13133))
            taken.listen()
        except OSError:
            pass  # in use already: all the better
        up = _up(tmp_path, "--ports=default")
        output, _ = up.communicate(timeout=60)
    assert up.returncode == 2
    assert "13133 (collector_health)" in output
    assert not list(tmp_path.glob("pids/*"))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
