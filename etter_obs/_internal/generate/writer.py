"""Writes a set of files so that none is ever torn, even by kill -9 or a full disk.

All are written beside their places and synchronised, then each is renamed over what was there.
Everything has been made and validated before the first byte is written; what a killed run leaves
behind is only its temporary files, which the next run removes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from etter_obs._internal.generate.plan import Change

_SUFFIX: Final = ".etter-obs.tmp"
_PARALLEL: Final = 16
"""Files synchronised at the same time: the file system then commits them together."""


def write(root: Path, changes: Iterable[Change]) -> None:
    """Make ``changes`` in the project ``root``.

    Raises:
        OSError: a file cannot be written; then nothing has been changed, unless it was the renaming
            itself that failed.
    """
    wanted = list(changes)
    folders = {(root / change.path).parent for change in wanted}
    around = {path for folder in folders for path in (folder, *folder.parents)}
    made = sorted((path for path in around if not path.exists()), reverse=True)
    staged: list[tuple[Path, Path]] = []
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(f".*{_SUFFIX}"):  # by a run that was killed
                left.unlink(missing_ok=True)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for change in wanted:
                if change.content is not None:
                    target = root / change.path
                    temporary = target.with_name(f".{target.name}.{os.getpid()}{_SUFFIX}")
                    staged.append((temporary, target))
            contents = [change.content for change in wanted if change.content is not None]
            list(pool.map(_stage, (temporary for temporary, _ in staged), contents))
        for temporary, target in staged:
            temporary.replace(target)
        for change in wanted:
            if change.content is None:
                (root / change.path).unlink(missing_ok=True)
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)
        for folder in made:  # of a run that failed
            with suppress(OSError):
                folder.rmdir()
    for folder in folders:
        _sync_folder(folder)


def _stage(temporary: Path, content: str) -> None:
    with temporary.open("wb") as file:
        file.write(content.encode())
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
