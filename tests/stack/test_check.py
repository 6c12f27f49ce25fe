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


@pytest.mark.parametrize(
    ("file", "line", "program"),
    [
        ("prometheus/prometheus.yml", "unknown_key: 1", "promtool"),
        ("alerts/alertmanager.yml", "unknown_key: 1", "amtool"),
        ("otel-collector/config.yaml", "unknown_key: 1", "otelcol"),
        ("loki/config.yaml", "unknown_key: 1", "loki"),
        ("docker-compose.yml", "unknown_key: 1", "docker-compose"),
    ],
)
def test_a_broken_configuration_is_refused_by_its_program(
    project: Path, file: str, line: str, program: str
) -> None:
    """One wrong key: exit code 1, and the program that refuses it is named."""
    with (project / file).open("a", encoding="utf-8") as broken:
        broken.write(f"\n{line}\n")
    done = _check(project)
    assert done.returncode == 1
    failed = {each.split()[1] for each in done.stdout.splitlines() if each.startswith("FAILED")}
    assert failed == {program}
    assert "unknown_key" in done.stdout
