"""Lets tests see the lines of every pipeline of the process as they are written."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Final, Protocol


class Flushable(Protocol):
    """A pipeline, as far as tests care."""

    def flush(self, deadline: float) -> bool:
        """Write what waits within ``deadline`` seconds; tell whether everything was."""


watchers: Final[list[Callable[[bytes], None]]] = []
"""Called with each line as it is written, on the writer's thread."""
living: Final[weakref.WeakSet[Flushable]] = weakref.WeakSet()
"""Pipelines that are installed."""


def watch(watcher: Callable[[bytes], None]) -> Callable[[], None]:
    """Have ``watcher`` called with each line that any pipeline writes; returns the undo."""
    watchers.append(watcher)
    return lambda: watchers.remove(watcher)


def flush(deadline: float) -> bool:
    """Flush every installed pipeline; returns whether all lines came out in time."""
    flushed = [pipeline.flush(deadline) for pipeline in living]
    return all(flushed)
