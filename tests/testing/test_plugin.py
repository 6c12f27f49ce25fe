"""The pytest plugin, in real runs of pytest over a user's tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

APP = """
import logging
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from etter_obs import get_logger

logger = get_logger("shop")
app = FastAPI()

@app.get("/orders/{number}")
def order(number: int):
    logger.info("order read", number=number, token="hunter2")
    logging.getLogger("legacy").warning("old code")
    return number

@app.get("/broken")
def broken():
    raise RuntimeError("password=hunter2")
"""


def run(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """Run pytest over ``tests`` in a folder of its own, with nothing but installed plugins."""
    (folder / "test_user.py").write_text(APP + tests, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_user.py"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_an_app_is_observed_in_a_test(tmp_path: Path) -> None:
    """`observe` and the three recorders show a request's lines, span and metrics, redacted."""
    done = run(
        tmp_path,
        """
def test_order(observe, obs_logs, obs_spans, obs_metrics):
    observe(app)
    with TestClient(app) as client:
        answer = client.get("/orders/7")
    line = obs_logs.assert_logged("order read", number=7, token="[redacted]")
    assert line["request_id"] == answer.headers["X-Request-ID"]
    obs_logs.assert_logged("old code", level="WARNING", request_id=line["request_id"])
    obs_logs.assert_logged(status_code=200, endpoint="/orders/{number}")
    obs_logs.assert_no_errors()
    span = obs_spans.assert_span(attributes={"http.route": "/orders/{number}"})
    assert f"{span.context.trace_id:032x}" == line["trace_id"]
    obs_metrics.assert_increased("etter_requests_total", endpoint="/orders/{number}", status="200")
    assert obs_metrics.increase("etter_requests_total") == 1

def test_failure(observe, obs_logs, obs_spans, obs_metrics):
    observe(app)
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/broken").status_code == 500
    obs_logs.assert_logged(status_code=500)
    with pytest.raises(AssertionError, match="Request failed"):
        obs_logs.assert_no_errors()
    with pytest.raises(AssertionError):
        obs_logs.assert_logged("order read")
    obs_logs.assert_not_logged("order read")
    obs_spans.assert_no_span("GET /orders/{number}")
    shown = [span.to_json() for span in obs_spans.spans] + [str(obs_logs.lines)]
    assert "hunter2" not in "".join(shown)
    obs_metrics.assert_increased("etter_requests_total", endpoint="/broken", status="500")
    with pytest.raises(AssertionError, match="grew by 1, not 2"):
        obs_metrics.assert_increased("etter_requests_total", by=2, endpoint="/broken")
""",
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_an_app_that_observes_itself(tmp_path: Path) -> None:
    """An app set up when it was imported is recorded too, test by test."""
    done = run(
        tmp_path,
        """
from etter_obs import setup_observability
setup_observability(app)

@pytest.mark.parametrize("number", [1, 2])
def test_order(obs_logs, obs_metrics, number):
    with TestClient(app) as client:
        client.get(f"/orders/{number}")
    assert [line["number"] for line in obs_logs.where(message="order read")] == [number]
    obs_metrics.assert_increased("etter_requests_total", status="200")
""",
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_a_function_is_tested_without_an_app(tmp_path: Path) -> None:
    """`obs_logs` holds what a function logs although nothing was set up, and leaves no trace."""
    done = run(
        tmp_path,
        """
import structlog

def test_lines(obs_logs, caplog):
    order(3)
    obs_logs.assert_logged("order read", number=3)
    assert caplog.messages == ["order read", "old code"]

def test_afterwards():
    assert not structlog.is_configured()
    assert logging.Logger.callHandlers.__module__ == "logging"
""",
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_an_assertion_that_fails_shows_what_there_was(tmp_path: Path) -> None:
    """A failing helper names what was wanted and what there was, without its own frames."""
    done = run(
        tmp_path,
        """
def test_wrong(obs_logs, obs_spans):
    order(3)
    obs_logs.assert_logged("order written")
""",
    )
    assert done.returncode == 1
    assert "no line has {'message': 'order written'}" in done.stdout
    assert '"message": "order read"' in done.stdout
    assert "raise AssertionError" not in done.stdout


def test_the_plugin_disturbs_nobody() -> None:
    """Loading the plugin imports neither the SDK, structlog, pydantic nor any part of ours."""
    script = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import etter_obs.testing.plugin\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == str(
        ["etter_obs", "etter_obs.testing", "etter_obs.testing.plugin"]
    )
