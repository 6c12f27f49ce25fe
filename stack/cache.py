"""The cache outside the tree, shared by every checkout on this machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_root() -> Path:
    """$ETTER_OBS_CACHE, else `etter-obs` in the user's cache folder."""
    chosen = os.environ.get("ETTER_OBS_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "etter-obs"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one process at a time is in here for `name`; the kernel lets go when a process dies."""
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
