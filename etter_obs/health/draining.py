"""SIGTERM: first stop being ready, then let the server end as it would have."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

_LOG: Final = logging.getLogger(__name__)
_LOOPS: Final = ("asyncio", "uvloop")


class TermChain:
    """Calls ``drain`` on SIGTERM, waits ``delay`` seconds, then calls the handler that was there.

    Without the delay a load balancer learns of the end only when connections are refused; with it,
    ``/health/ready`` says so while requests are still served. A second SIGTERM ends the wait.

    A server that takes its signals from the event loop (gunicorn's own ASGI worker, hypercorn)
    hears of SIGTERM beside this chain, and so without the delay: loops do not tell whom they call,
    so nobody can put himself before it. Where a delay was asked for, the log says so.
    """

    def __init__(self, drain: Callable[[], None], *, delay: float) -> None:
        self._drain = drain
        self._delay = delay
        self._previous: signal.Handlers | Callable[[int, FrameType | None], object] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = False

    def install(self) -> None:
        """Put itself before the handler in force; call it inside the server's event loop.

        Where Python may not (another thread than the main one, a handler that is not Python's) it
        does nothing: the server then ends as ever, only unannounced.
        """
        if self._previous is not None or threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGTERM)
        if previous is None:
            return
        # getsignal() knows int where a handler was set by number; the enumeration compares the same
        self._previous = signal.Handlers(previous) if isinstance(previous, int) else previous
        self._loop = asyncio.get_running_loop()
        if self._delay > 0 and _comes_from_a_loop(previous):
            _LOG.warning(
                "SIGTERM ends this server at once, without ETTER_OBS_DRAIN_SECONDS: it takes its "
                "signals from the event loop. Have the platform wait before SIGTERM (a preStop "
                "hook), or serve by uvicorn"
            )
        signal.signal(signal.SIGTERM, self._on_term)

    def undo(self) -> None:
        """Put the former handler back, unless somebody has chained after this one."""
        if self._previous is None or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) == self._on_term:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None

    def _on_term(self, _number: int, _frame: FrameType | None) -> None:
        self._drain()
        if self._delay > 0 and not self._waiting and self._loop and self._loop.is_running():
            self._waiting = True
            self._loop.call_soon_threadsafe(self._loop.call_later, self._delay, self._pass_on)
        else:
            self._pass_on()

    def _pass_on(self) -> None:
        previous = self._previous
        if callable(previous) and not isinstance(previous, signal.Handlers):
            previous(signal.SIGTERM, None)
        elif previous == signal.SIG_DFL:
            self.undo()
            signal.raise_signal(signal.SIGTERM)


def _comes_from_a_loop(handler: object) -> bool:
    """Tell whether it is the placeholder that a loop's ``add_signal_handler`` leaves."""
    return str(getattr(handler, "__module__", "")).partition(".")[0] in _LOOPS
