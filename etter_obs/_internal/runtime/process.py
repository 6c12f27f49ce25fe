"""The process: CPU, memory, file descriptors, threads, age; read from /proc at each scrape."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etter_obs._internal import conventions
from etter_obs._internal.posix import POSIX

if POSIX:
    import resource

if TYPE_CHECKING:
    from etter_obs._internal.metrics.registry import MetricsRegistry

_PROC: Final = Path("/proc/self")
_START_FIELD: Final = 19
"""Index of ``starttime`` among the fields after the command's closing parenthesis (proc(5))."""


def watch_process(registry: MetricsRegistry) -> Callable[[], None]:
    """Set the ``process_*`` metrics before every scrape; return the undo.

    Without /proc only CPU time, threads and the limit of descriptors are known. Without POSIX that
    limit is unknown too.
    """
    cpu = registry.counter(conventions.PROCESS_CPU).child()
    memory = registry.gauge(conventions.PROCESS_MEMORY).child()
    open_fds = registry.gauge(conventions.PROCESS_FDS).child()
    max_fds = registry.gauge(conventions.PROCESS_MAX_FDS).child()
    started = registry.gauge(conventions.PROCESS_START).child()
    threads = registry.gauge(conventions.PROCESS_THREADS).child()
    counted, counted_in = 0.0, os.getpid()

    def read() -> None:
        nonlocal counted, counted_in
        # A worker continues the counters of its predecessor, so this adds only the difference. In
        # a forked child the CPU clock restarts at 0.
        if counted_in != os.getpid():
            counted, counted_in = 0.0, os.getpid()
        total = time.process_time()
        cpu.inc(total - counted)
        counted = total
        threads.set(threading.active_count())
        if not POSIX:
            return
        max_fds.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        with suppress(OSError):
            memory.set(int((_PROC / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
            open_fds.set(sum(1 for _ in (_PROC / "fd").iterdir()))
            started.set(_start_time())

    return registry.on_scrape(read)


def _start_time() -> float:
    """Return when this process started, as Unix time in seconds."""
    fields = (_PROC / "stat").read_text().rpartition(")")[2].split()
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + int(fields[_START_FIELD]) / os.sysconf("SC_CLK_TCK")
