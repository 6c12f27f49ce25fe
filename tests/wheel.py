"""The built wheel in empty environments: what a stranger installs, with nothing of this tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

from stack.cache import cache_root, locked

ROOT = Path(__file__).resolve().parents[1]
_BUNDLE = ("slo.yaml", "docker-compose.yml", "pyproject.toml", "README.md", "LICENSE")
_FOLDERS = ("etter_obs", "prometheus", "alerts", "otel-collector", "grafana", "loki", "tempo")


def run(
    *command: str | Path, cwd: Path, expect: int | None = 0, timeout_s: float = 300, **more: str
) -> str:
    """Run a command as a user would, with nothing of this project on its path.

    Args:
        command: the program and its arguments.
        cwd: the folder in which it runs.
        expect: the exit code that it must have; None for any.
        timeout_s: seconds after which it is ended.
        more: environment variables, besides PATH, HOME and those of the package index.

    Returns:
        Its standard output, then its standard error.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home())} | _network_settings() | more,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert expect in (None, done.returncode), f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def installed_in(
    folder: Path,
    *requirements: str,
    python: Path | str = sys.executable,
    resolution: Literal["highest", "lowest-direct"] = "highest",
) -> Path:
    """Make an empty environment in ``folder``, install into it, and return its interpreter.

    Args:
        folder: an empty folder for it.
        requirements: what ``pip install`` takes: the wheel's path, its extras (``{wheel}[otlp]``),
            other packages and bounds.
        python: the interpreter of the environment.
        resolution: which of the versions allowed are chosen, of what ``requirements`` name.
    """
    environment = folder / "venv"
    uv: list[str | Path] = [sys.executable, "-m", "uv"]
    run(*uv, "venv", "--quiet", "--python", python, environment, cwd=folder)
    interpreter = environment / "bin" / "python"
    install = [*uv, "pip", "install", "--quiet", "--python", interpreter]
    run(*install, "--resolution", resolution, *requirements, cwd=folder)
    return interpreter


def allowed(*extras: str) -> tuple[str, ...]:
    """Return what this project's core and ``extras`` require, each with its bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["optional-dependencies"][extra] for extra in extras]
    return tuple(sum(groups, project["dependencies"]))


@cache
def pythons() -> list[str]:
    """Return an interpreter of each version from 3.11 up on this machine, the oldest first."""
    versions = Path.home() / ".pyenv" / "versions"
    found: dict[int, str] = {}
    for minor in range(11, 30):
        name = f"python3.{minor}"
        places = [str(path) for path in versions.glob(f"3.{minor}.*/bin/{name}")]
        places += [shutil.which(name) or ""]
        places += [sys.executable] if sys.version_info.minor == minor else []
        for place in filter(None, places):
            if subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
                found[minor] = place
    return list(found.values())


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel of this tree, built once however many processes run the tests."""
    key = _contents()
    folder = cache_root() / "wheel" / key
    with locked("wheel"):
        if not list(folder.glob("*.whl")):
            _forget_old(folder.parent)
            build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
            run(*build, folder, ROOT, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def _forget_old(folder: Path) -> None:
    """Remove wheels of a day ago; another checkout may be using a newer one."""
    for old in folder.glob("*"):
        if old.stat().st_mtime < time.time() - 86_400:
            shutil.rmtree(old, ignore_errors=True)


def _contents() -> str:
    """Return a hash of everything that goes into the wheel."""
    found = hashlib.sha256()
    files = [ROOT / name for name in _BUNDLE]
    for name in _FOLDERS:
        files += sorted(path for path in (ROOT / name).rglob("*") if path.is_file())
    for path in files:
        if "__pycache__" not in path.parts:
            found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _network_settings() -> dict[str, str]:
    """What a machine may need to reach its package index; never this project's own variables."""
    prefixes = ("PIP_", "UV_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy")
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}
