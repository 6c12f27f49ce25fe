"""Writes a set of files so that none is ever torn, even by kill -9 or a full disk.

Each file is written beside its place, synchronised, and renamed over it. Everything has been made
and validated before the first byte is written; what a killed run leaves behind is only its
temporary files, which the next run removes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from etter_obs.slo.plan import Change

_SUFFIX: Final = ".etter-obs.tmp"


def write(root: Path, changes: Iterable[Change]) -> None:
    """Make ``changes`` in the project ``root``.

    Raises:
        OSError: a file cannot be written; those before it are whole and new, the rest as they were.
    """
    folders: set[Path] = set()
    for change in changes:
        target = root / change.path
        folders.add(target.parent)
        if change.content is None:
            target.unlink(missing_ok=True)
        else:
            replace(target, change.content.encode())
    for folder in folders:
        for left in folder.glob(f".*{_SUFFIX}"):
            left.unlink(missing_ok=True)
        _sync_folder(folder)


def replace(target: Path, content: bytes) -> None:
    """Give ``target`` the new content at one instant.

    Raises:
        OSError: it cannot be written; what was there is still there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}{_SUFFIX}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
