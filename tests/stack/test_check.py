"""The checks: each program's word on its own configuration."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stack.layout import CHECKOUT

_CONFIG = ("alerts", "loki", "otel-collector", "prometheus", "grafana", "tempo")


def _check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stack", "check", f"--root={root}"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what is shipped, to be broken, with one of the many tests of the rules."""
    for name in _CONFIG:
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    shutil.copy(CHECKOUT / "docker-compose.yml", tmp_path)
    for test in sorted((tmp_path / "alerts/tests").iterdir())[2:]:
        test.unlink()
    return tmp_path


def test_a_sound_configuration_passes(project: Path) -> None:
    """Prometheus, rules, their tests, Alertmanager, collector, Loki, compose: all are content."""
    done = _check(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    programs = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok")}
    assert programs == {"promtool", "amtool", "otelcol", "loki", "docker-compose"}


def test_a_broken_configuration_is_refused_by_its_program(project: Path) -> None:
    """A wrong key in each file: exit code 1, each program names its key, the rules still pass."""
    files = {
        "promtool": "prometheus/prometheus.yml",
        "amtool": "alerts/alertmanager.yml",
        "otelcol": "otel-collector/config.yaml",
        "loki": "loki/config.yaml",
        "docker-compose": "docker-compose.yml",
    }
    for program, file in files.items():
        with (project / file).open("a", encoding="utf-8") as broken:
            broken.write(f"\nunknown_{program.replace('-', '_')}: 1\n")
    done = _check(project)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert {line.split()[1] for line in lines if line.startswith("FAILED")} == {*files}
    assert {line.split()[1] for line in lines if line.startswith("ok")} == {"promtool"}
    for program in files:
        assert f"unknown_{program.replace('-', '_')}" in done.stdout
