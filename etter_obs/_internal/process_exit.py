"""Calls back before this process ends, whichever way its server ends it.

``atexit`` alone is not enough. uvicorn raises the signal that stopped it again after its shutdown,
with the default handler, and the process is gone at once. Workers that ``multiprocessing`` started
(uvicorn, hypercorn, granian) leave by ``os._exit``, which runs its finalizers and not ``atexit``.
"""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

_BEFORE_ATEXIT: Final = 100
"""Priority among multiprocessing's finalizers: before those that join its threads."""
_held = False


def before_exit(callback: Callable[[], object]) -> Callable[[], None]:
    """Call ``callback`` once when the process ends; return the undo."""
    finalizer: Any = None

    def run() -> None:
        undo()
        callback()
        detach_exit_callback()

    def undo() -> None:
        atexit.unregister(run)
        if finalizer is not None:
            finalizer.cancel()

    atexit.register(run)
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        finalizer = util.Finalize(None, run, exitpriority=_BEFORE_ATEXIT)
    return undo


def hold_sigterm() -> None:
    """Delay SIGTERM until :func:`detach_exit_callback`, so that the process can finish.

    Call it when the process is ending because of a SIGTERM already. A server that raises the signal
    once more then comes to its end; the signal ends the process after the last callback, so its
    exit code is what it would have been. Only the main thread holds it, and only POSIX can.
    """
    global _held  # one mask for the process
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        _held = True


def detach_exit_callback() -> None:
    """Deliver a SIGTERM that :func:`hold_sigterm` has kept waiting."""
    global _held
    if _held and threading.current_thread() is threading.main_thread():
        _held = False
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
