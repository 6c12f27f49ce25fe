"""A token for /metrics: the app requires it, and the real Prometheus sends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from demo.backend import backend_running
from demo.databases import free_port
from etter_obs._internal.conventions import Alert
from stack.native import Stack, running
from tests.command_line import run
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

_TOKEN = "secrets/prometheus/metrics-token"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project as `init` makes it, with the token in force; its Prometheus scrapes each second."""
    folder = tmp_path / "project"
    code, said = run("init", str(folder), "--service", "etter", cwd=tmp_path)
    assert code == 0, said
    _replace(folder / "prometheus/prometheus.yml", "scrape_interval: 15s", "scrape_interval: 1s")
    _replace(folder / "prometheus/prometheus.yml", "scrape_timeout: 10s", "scrape_timeout: 1s")
    _replace(
        folder / "slo.yaml", f"# metrics_token_file: {_TOKEN}", f"metrics_token_file: {_TOKEN}"
    )
    code, said = run("generate", cwd=folder)
    assert code == 0, said
    return folder


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


@contextmanager
def _scraped(project: Path, token: str) -> Iterator[Stack]:
    """The project's Prometheus, and an app that asks it for the token, or with "" for none."""
    port = free_port()
    run_dir = project.parent / "run"
    targets = {"etter": [f"127.0.0.1:{port}"]}
    with (
        backend_running(run_dir / "backend", port=port, ETTER_OBS_METRICS_TOKEN=token),
        running(run_dir, only=("prometheus",), config_root=project, targets=targets) as stack,
    ):
        yield stack


def _health(stack: Stack) -> tuple[str, str]:
    """How Prometheus finds the app, and why it cannot scrape it."""
    asked = {"scrapePool": "etter"}
    answer = httpx.get(f"{stack.prometheus}/api/v1/targets", params=asked, timeout=10).json()
    [target] = answer["data"]["activeTargets"] or [{"health": "unknown", "lastError": ""}]
    return target["health"], target["lastError"]


def _becomes(stack: Stack, health: str, reason: str = "") -> None:
    def is_so() -> bool:
        found, error = _health(stack)
        return found == health and reason in error

    eventually(is_so, deadline_s=60, tell=lambda: _health(stack))


def _alerts(stack: Stack) -> set[str]:
    answer = httpx.get(f"{stack.prometheus}/api/v1/alerts", timeout=10).json()
    return {alert["labels"]["alertname"] for alert in answer["data"]["alerts"]}


def _doctor(project: Path, stack: Stack, token: str) -> tuple[int, str]:
    """What doctor says where the app's variables are set."""
    asked = [f"--prometheus={stack.prometheus}", "--alertmanager=http://127.0.0.1:9"]
    asked += ["--loki=http://127.0.0.1:9"]
    return run("doctor", *asked, cwd=project, env={"ETTER_OBS_METRICS_TOKEN": token})


def test_prometheus_brings_the_token_that_the_app_asks_for(project: Path) -> None:
    """With the token the app is up; with another it is down, is alerted on, and doctor says why.

    The content of the file applies at the next scrape, without a reload.
    """
    token = (project / _TOKEN).read_text(encoding="utf-8")
    with _scraped(project, token) as stack:
        _becomes(stack, "up")
        said = _doctor(project, stack, token)[1]
        assert "ok   token for /metrics\n" in said
        assert re.search(r"^ok   etter at http://127.0.0.1:\d+/metrics is up$", said, re.MULTILINE)

        (project / _TOKEN).chmod(0o600)
        (project / _TOKEN).write_text("another\n", encoding="utf-8")
        _becomes(stack, "down", "401 Unauthorized")
        eventually(lambda: Alert.SERVICE_DOWN in _alerts(stack), deadline_s=90)
        code, said = _doctor(project, stack, token)
        assert code == 1
        assert f"BAD  token for /metrics: the app's token is not in {_TOKEN}" in said
        assert "is down: server returned HTTP status 401 Unauthorized" in said
        assert token not in said

        (project / _TOKEN).write_text(token, encoding="utf-8")
        _becomes(stack, "up")


def test_a_token_that_nobody_asks_for_does_no_harm_and_a_missing_file_names_itself(
    project: Path,
) -> None:
    """An app without a token is scraped by a Prometheus that brings one, or an empty one.

    Without the file each scrape fails and tells its path; doctor tells it too.
    """
    with _scraped(project, "") as stack:
        _becomes(stack, "up")
        said = _doctor(project, stack, "")[1]
        assert f"set ETTER_OBS_METRICS_TOKEN_FILE={_TOKEN} to require it" in said

        (project / _TOKEN).unlink()
        _becomes(stack, "down", "secrets/prometheus/metrics-token: no such file")
        said = _doctor(project, stack, "")[1]
        assert f"BAD  {_TOKEN}: missing or empty" in said

        (project / _TOKEN).touch()
        _becomes(stack, "up")
