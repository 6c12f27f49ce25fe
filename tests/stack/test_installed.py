"""Grafana and Tempo where they are installed: found, configured and run, by stand-ins for both."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import httpx
import pytest

from stack.installed import ProgramError, components, find
from stack.layout import CHECKOUT
from stack.native import running
from stack.versions import NATIVE
from tests import tempo
from tests.stack.standins import program
from tests.waiting import eventually

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH; no variable names a program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("ETTER_OBS_GRAFANA", "ETTER_OBS_TEMPO"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_where_neither_is_installed_neither_runs(path: Path) -> None:
    """Nothing on the PATH and nothing named: the stack is the native one."""
    assert (find("grafana"), find("tempo")) == (None, None)
    assert components() == NATIVE


def test_those_on_the_path_run(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any Grafana is used, and a Tempo of the major version of compose; `off` switches them off."""
    grafana, of_compose = program(path, "grafana", "9.4.0"), program(path, "tempo", "3.9.9")
    assert (find("grafana"), find("tempo")) == (grafana, of_compose)
    assert components() == (*NATIVE, "grafana")
    program(path, "tempo", "2.8.1")
    assert find("tempo") is None
    assert "tempo is ignored: it is no Tempo 3" in capsys.readouterr().err
    for name in ("GRAFANA", "TEMPO"):
        monkeypatch.setenv(f"ETTER_OBS_{name}", "off")
    assert (find("grafana"), find("tempo")) == (None, None)


def test_a_variable_names_the_program(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wins over the PATH, whatever the version; a name of nothing is an error that shows it."""
    program(path, "tempo", "3.0.3")
    other = program(path.parent / "elsewhere", "tempo", "2.8.1")
    monkeypatch.setenv("ETTER_OBS_TEMPO", str(other))
    assert find("tempo") == other
    monkeypatch.setenv("ETTER_OBS_TEMPO", "/nowhere/tempo")
    with pytest.raises(ProgramError, match="ETTER_OBS_TEMPO is '/nowhere/tempo'"):
        find("tempo")


@pytest.mark.e2e
def test_both_run_with_what_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span goes through the collector to Tempo, and Grafana's data source leads to it there.

    Grafana has the shipped dashboards, the settings of compose, and a password of the project's.
    """
    home = tmp_path / "installation"
    (home / "conf").mkdir(parents=True)
    (home / "conf/defaults.ini").touch()
    monkeypatch.setenv("ETTER_OBS_GRAFANA", str(program(home / "bin", "grafana", "13.2.0")))
    monkeypatch.setenv("ETTER_OBS_TEMPO", str(program(tmp_path / "bin", "tempo", "3.0.3")))
    project = tmp_path / "project"
    for folder in ("prometheus", "alerts", "otel-collector", "loki", "grafana", "tempo"):
        shutil.copytree(CHECKOUT / folder, project / folder)
    shutil.copy(CHECKOUT / "docker-compose.yml", project)

    only = ("collector", "tempo", "grafana")
    with running(tmp_path / "run", only=only, config_root=project) as stack:
        now = time.time_ns()
        span = {
            "traceId": _TRACE,
            "spanId": _SPAN,
            "name": "GET /pay",
            "startTimeUnixNano": str(now),
            "endTimeUnixNano": str(now + 1_000_000),
        }
        batch = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [span]}]}]}
        httpx.post(f"{stack.otlp_http}/v1/traces", json=batch, timeout=10).raise_for_status()
        [found] = eventually(lambda: tempo.trace(stack.tempo, _TRACE), deadline_s=30)
        assert (found.name, found.span_id) == ("GET /pay", _SPAN)

        proxy = f"{stack.grafana}/api/datasources/proxy/uid/tempo"
        assert tempo.trace(proxy, _TRACE) == [found]
        shown = httpx.get(stack.grafana, timeout=10).json()
        assert not stack.traces_file.exists()
    assert len(shown["dashboards"]) == 9
    assert shown["home"] in shown["dashboards"]
    assert shown["reports"] == "false"
    assert shown["password"] == (project / "secrets/grafana-admin-password").read_text()
