"""Finds the programs of the stack that the command line runs: promtool and amtool."""

from __future__ import annotations

import shutil
from pathlib import Path


def find_program(name: str) -> Path | None:
    """Return the program on the PATH, else the newest that ``make stack`` built, else None."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    built = (Path.home() / ".cache" / "etter-obs" / "bin").glob(f"*/{name}")
    return max(built, key=lambda path: path.stat().st_mtime, default=None)
