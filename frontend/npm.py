"""npm in this folder, with exactly what the lock file names."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from stack.cache import locked
from stack.toolchain import npm_folder

_HERE = Path(__file__).parent


def installed() -> Path:
    """Return `node_modules`, installed first where it is not what the lock file names."""
    lock, modules = _HERE / "package-lock.json", _HERE / "node_modules"
    stamp = modules / ".lock.sha256"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    with locked("npm"):
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
            _run("npm", "ci", "--ignore-scripts", "--silent")
            stamp.write_text(digest, encoding="utf-8")
    return modules


def run(script: str, *arguments: str) -> None:
    """Run a script of package.json. Raises SystemExit where it fails; its output says why."""
    installed()
    _run("npm", "run", "--silent", script, "--", *arguments)


def _run(*command: str) -> None:
    path = f"{npm_folder()}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=_HERE, env=os.environ | {"PATH": path}, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {done.returncode}")
