"""Python's garbage collector: the number of its runs and the time that it stops the process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from etter_obs._internal.conventions import GC_COLLECTIONS, GC_PAUSE

if TYPE_CHECKING:
    from etter_obs._internal.metrics.registry import MetricsRegistry


def watch_collector(registry: MetricsRegistry) -> Callable[[], None]:
    """Count and time every collection; return the undo."""
    counters = registry.counter(GC_COLLECTIONS)
    collections = [counters.child(str(generation)) for generation in range(3)]
    pause = registry.histogram(GC_PAUSE).child()
    began = 0.0

    def called(phase: str, info: dict[str, Any]) -> None:
        # The interpreter holds its lock during a collection, so one variable is enough.
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        else:
            pause.observe(time.perf_counter() - began)
            collections[info["generation"]].inc()

    gc.callbacks.append(called)

    def undo() -> None:
        if called in gc.callbacks:
            gc.callbacks.remove(called)

    return undo
