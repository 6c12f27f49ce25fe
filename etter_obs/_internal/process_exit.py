"""Call back before this process ends, however its server ends it.

``atexit`` is not enough. After its shutdown, uvicorn raises the signal that stopped it again with
the default handler, and the process ends at once. Workers started by ``multiprocessing`` (uvicorn,
hypercorn, granian) end with ``os._exit``, which runs the finalizers of ``multiprocessing`` but not
``atexit``.
"""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

_BEFORE_ATEXIT: Final = 100
"""Priority among the finalizers of multiprocessing: before those that join its threads."""
_held = False


def before_exit(callback: Callable[[], object]) -> Callable[[], None]:
    """Call ``callback`` once when the process ends, and return the undo."""
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
    """Delay SIGTERM until ``detach_exit_callback``, so that the process can finish.

    Call it when a SIGTERM is already ending the process. A server that raises the signal again can
    then finish; the signal ends the process after the last callback, so the exit code does not
    change. It works only in the main thread and only on POSIX systems.
    """
    global _held  # the signal mask is the same for the whole process
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        _held = True


def detach_exit_callback() -> None:
    """Deliver a SIGTERM that ``hold_sigterm`` has delayed."""
    global _held
    if _held and threading.current_thread() is threading.main_thread():
        _held = False
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
