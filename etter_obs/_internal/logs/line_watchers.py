"""Let tests see the lines of every pipeline of the process as they are written."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Final, Protocol


class Flushable(Protocol):
    """The part of a pipeline that tests use."""

    def flush(self, deadline: float) -> bool:
        """Write the waiting lines within ``deadline`` seconds; return whether all were written."""


watchers: Final[list[Callable[[bytes], None]]] = []
"""Called with each line as it is written, on the writer's thread."""
living: Final[weakref.WeakSet[Flushable]] = weakref.WeakSet()
"""The installed pipelines."""


def watch(watcher: Callable[[bytes], None]) -> Callable[[], None]:
    """Call ``watcher`` with each line that any pipeline writes; return the undo."""
    watchers.append(watcher)
    return lambda: watchers.remove(watcher)


def flush(deadline: float) -> bool:
    """Flush every installed pipeline; return whether all lines were written in time."""
    flushed = [pipeline.flush(deadline) for pipeline in living]
    return all(flushed)
