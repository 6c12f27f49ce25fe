"""Handles SIGTERM: makes the process not ready, then lets the server stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

from etter_obs._internal.process_exit import hold_sigterm

_LOG: Final = logging.getLogger("etter_obs.health")
_LOOPS: Final = ("asyncio", "uvloop")


class TermChain:
    """Calls ``drain`` on SIGTERM, waits, then calls the previous handler.

    Without the delay a load balancer notices the end only when connections are refused. With it,
    ``/health/ready`` returns 503 while requests are still served. A second SIGTERM ends the wait.

    A server that handles signals in the event loop (gunicorn's own ASGI worker, hypercorn) receives
    SIGTERM in parallel to this chain, without the delay: a loop does not expose its handlers, so
    the chain cannot run first. If a delay is set, a warning reports it.

    Args:
        drain: called first.
        delay: seconds between ``drain`` and the previous handler.
        last: called if the signal ends the process at once because it has no handler.
    """

    def __init__(
        self,
        drain: Callable[[], None],
        *,
        delay: float,
        last: Callable[[], object] = lambda: None,
    ) -> None:
        self.drain = drain
        self.last = last
        self.delay = delay

    def install(self) -> None:
        """Run before the current handler; call this inside the server's event loop.

        It does nothing if Python cannot set the handler (outside the main thread, or if the current
        handler is not Python's). The server then stops as usual, without draining first.
        """
        previous = _sigterm.add(self)
        if self.delay > 0 and previous is not None and _comes_from_a_loop(previous):
            _LOG.warning(
                "This server handles SIGTERM in the event loop, so it stops at once and ignores "
                "ETTER_OBS_DRAIN_SECONDS; add a preStop hook that waits before SIGTERM, or use "
                "uvicorn"
            )

    def undo(self) -> None:
        """Restore the previous handler, unless another app needs the chain or follows it."""
        _sigterm.remove(self)


_Handler = Callable[[int, FrameType | None], object] | signal.Handlers


class _Sigterm:
    """The handler of this process, shared by all of its apps."""

    def __init__(self) -> None:
        self._chains: list[TermChain] = []
        self._previous: _Handler | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = False

    def add(self, chain: TermChain) -> _Handler | None:
        """Add ``chain``; return the handler that runs last, None if none can be set."""
        current = signal.getsignal(signal.SIGTERM)
        if current is None or threading.current_thread() is not threading.main_thread():
            return None
        if chain not in self._chains:
            self._chains.append(chain)
        with suppress(RuntimeError):  # without a running loop there is no delay
            self._loop = asyncio.get_running_loop()
        if current != self._on_term:
            # getsignal() returns an int if a handler was set by number.
            self._previous = signal.Handlers(current) if isinstance(current, int) else current
            self._waiting = False
            signal.signal(signal.SIGTERM, self._on_term)
        return self._previous

    def remove(self, chain: TermChain) -> None:
        if chain in self._chains:
            self._chains.remove(chain)
        if self._chains or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) == self._on_term:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None

    def _on_term(self, _number: int, _frame: FrameType | None) -> None:
        for chain in self._chains:
            chain.drain()
        delay = max((chain.delay for chain in self._chains), default=0.0)
        if delay > 0 and not self._waiting and self._loop and self._loop.is_running():
            self._waiting = True
            self._loop.call_soon_threadsafe(self._loop.call_later, delay, self._pass_on)
        else:
            self._pass_on()

    def _pass_on(self) -> None:
        previous = self._previous
        if callable(previous) and not isinstance(previous, signal.Handlers):
            if _raises_again(previous):
                hold_sigterm()
            previous(signal.SIGTERM, None)
        elif previous == signal.SIG_DFL:
            for chain in list(self._chains):
                chain.last()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)


_sigterm: Final = _Sigterm()


def _raises_again(handler: object) -> bool:
    """Return whether it is uvicorn's handler, which raises the signal again after shutdown."""
    return type(getattr(handler, "__self__", None)).__module__.startswith("uvicorn.")


def _comes_from_a_loop(handler: object) -> bool:
    """Return whether it is the placeholder that a loop's ``add_signal_handler`` sets."""
    return str(getattr(handler, "__module__", "")).partition(".")[0] in _LOOPS
