"""Finds the Chromium that tests and pictures use; installs Debian's where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_VARIABLE = "CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", "chromium")


def chromium() -> Path:
    """Return the browser's program. Raises SystemExit, with the remedy, where there is none."""
    if named := os.environ.get(_VARIABLE):
        return Path(named)
    return _found() or _installed()


def _found() -> Path | None:
    return next((Path(path) for name in _NAMES if (path := shutil.which(name))), None)


def _installed() -> Path:
    if shutil.which("apt-get"):
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "--quiet"], list(_INSTALL)):
            subprocess.run(
                [*root, *command], env=environment, stdout=subprocess.DEVNULL, check=False
            )
    if found := _found():
        return found
    raise SystemExit(
        f"no Chromium: install it ({' '.join(_INSTALL)}), or set {_VARIABLE} to its program"
    )
