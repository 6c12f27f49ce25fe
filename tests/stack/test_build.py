"""A build runs once and is complete, with concurrent callers and failures too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stack.layout import CHECKOUT
from stack.versions import BUILDS
from tests.waiting import eventually

_VERSION = next(build.version for build in BUILDS if build.name == "node_exporter")


def _building(cache: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stack", *arguments],
        cwd=CHECKOUT,
        env=os.environ | {"ETTER_OBS_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_two_builds_at_once_make_one_binary(tmp_path: Path) -> None:
    """Two processes that need the same program get the same path, and it is the pinned version."""
    builders = [_building(tmp_path, "path", "node_exporter") for _ in range(2)]
    paths = {builder.communicate(timeout=300)[0].strip() for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0]
    [path] = paths
    asked = subprocess.run([path, "--version"], check=True, capture_output=True, text=True)
    assert f"version {_VERSION}" in asked.stdout + asked.stderr


@pytest.mark.slow
def test_a_killed_build_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """After SIGKILL there is no program; the next build makes it and clears up."""
    killed = _building(tmp_path, "build", "node_exporter")
    eventually(lambda: list(tmp_path.glob("bin/.node_exporter-*")), deadline_s=60, every_s=0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not list(tmp_path.glob("bin/node_exporter-*"))
    again = _building(tmp_path, "path", "node_exporter")
    path, _ = again.communicate(timeout=300)
    assert again.returncode == 0
    assert [entry.name for entry in (tmp_path / "bin").iterdir()] == [Path(path).parent.name]


def test_an_unknown_program_is_told_with_those_that_exist(tmp_path: Path) -> None:
    """A wrong name is one message that lists the right ones, and exit code 2."""
    asked = _building(tmp_path, "path", "promtol")
    _, said = asked.communicate(timeout=60)
    assert asked.returncode == 2
    assert "no build contains 'promtol'" in said
    assert "promtool" in said
