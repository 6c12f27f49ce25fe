"""The demo under Docker: a separate project, and one clear sentence if Docker is missing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from demo import compose
from demo.compose import ComposeError
from demo.platform import docker
from demo.processes import ROOT
from stack.build import binary
from stack.versions import IMAGES


def _name(*arguments: str) -> str:
    command = [str(binary("docker-compose")), *arguments, "config", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return str(json.loads(done.stdout)["name"])


def test_the_demo_removes_no_volume_of_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its project name differs from the shipped one, whatever the environment sets."""
    shipped = _name("--file", "docker-compose.yml")
    assert _name(*compose.ARGUMENTS) not in ("", shipped)
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", shipped)
    assert _name(*compose.ARGUMENTS) != shipped


def test_without_docker_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no docker, the error names it and the way that needs none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ComposeError, match=r"cannot be used: .*docker.*STACK=native"),
        docker(tmp_path),
    ):
        pytest.fail("it ran without docker")


def test_missing_images_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that are neither here nor to be pulled are named; the one that is built is not."""
    client = tmp_path / "docker"  # Compose is the real one; no engine answers it
    client.write_text(
        f'#!/bin/sh\n[ "$1" = compose ] && shift && exec {binary("docker-compose")} "$@"\nexit 1\n'
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine")
    with pytest.raises(ComposeError) as raised:
        compose.pull()
    assert ", ".join(sorted(IMAGES.values())) in str(raised.value)
    assert "etter-obs-backend" not in str(raised.value)
