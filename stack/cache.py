"""The cache outside the tree, shared by every checkout on this machine."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from etter_obs._internal.settings import cache_root

__all__ = ["cache_root", "locked"]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Lock `name` within the block; the kernel releases the lock when the process ends."""
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
