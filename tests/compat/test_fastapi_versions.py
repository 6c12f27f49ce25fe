"""The request tests, on the FastAPI versions between which its routing was rebuilt."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stack.cache import cache_root

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ["pytest>=8.3", "pytest-asyncio>=0.24", "pytest-timeout>=2.3", "httpx>=0.27"]


def interpreter_with(fastapi: str) -> Path:
    """Return the interpreter of an environment with that FastAPI, made once and kept."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = [n for n in project["dependencies"] if not n.startswith(("fastapi", "grafana"))]
    wanted = [fastapi, *needs, *TOOLS]
    key = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:12]
    folder = cache_root() / "compat" / key
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run(
            [*uv, "venv", "--quiet", "--clear", "-p", sys.executable, folder], check=True
        )
        subprocess.run([*uv, "pip", "install", "--quiet", "-p", python, *wanted], check=True)
        (folder / "ready").touch()
    return python


@pytest.mark.parametrize("fastapi", ["fastapi==0.115.*", "fastapi==0.136.*", "fastapi==0.137.*"])
def test_requests_are_counted_alike_on_every_fastapi(fastapi: str) -> None:
    """What the two files prove for the newest FastAPI holds for this one."""
    tests = ["tests/app/test_requests.py", "tests/app/test_probes.py"]
    command = [str(interpreter_with(fastapi)), "-m", "pytest", "-q", *tests]
    done = subprocess.run(
        [*command, "--noconftest", "-p", "no:etter_obs"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert re.search(r"\d\d passed", done.stdout), done.stdout[-1000:]
