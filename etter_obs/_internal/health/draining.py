"""SIGTERM: first stop being ready, then let the server end as it would have."""

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
    """Calls ``drain`` on SIGTERM, waits ``delay`` seconds, then calls the handler that was there.

    Without the delay a load balancer learns of the end only when connections are refused; with it,
    ``/health/ready`` says so while requests are still served. A second SIGTERM ends the wait.
    ``last`` is called where the signal ends the process at once, because nobody handles it.

    A server that takes its signals from the event loop (gunicorn's own ASGI worker, hypercorn)
    hears of SIGTERM beside this chain, and so without the delay: loops do not tell whom they call,
    so nobody can put himself before it. Where a delay was asked for, the log says so.
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
        """Put itself before the handler in force; call it inside the server's event loop.

        Where Python may not (another thread than the main one, a handler that is not Python's) it
        does nothing: the server then ends as ever, only unannounced.
        """
        previous = _sigterm.add(self)
        if self.delay > 0 and previous is not None and _comes_from_a_loop(previous):
            _LOG.warning(
                "This server handles SIGTERM in the event loop, so it stops at once and ignores "
                "ETTER_OBS_DRAIN_SECONDS; add a preStop hook that waits before SIGTERM, or use "
                "uvicorn"
            )

    def undo(self) -> None:
        """Put the former handler back, unless another app needs the chain or is chained after."""
        _sigterm.remove(self)


_Handler = Callable[[int, FrameType | None], object] | signal.Handlers


class _Sigterm:
    """The one handler of this process, for all of its apps."""

    def __init__(self) -> None:
        self._chains: list[TermChain] = []
        self._previous: _Handler | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = False

    def add(self, chain: TermChain) -> _Handler | None:
        """Include ``chain``; return the handler that is put last, None where none can be."""
        current = signal.getsignal(signal.SIGTERM)
        if current is None or threading.current_thread() is not threading.main_thread():
            return None
        if chain not in self._chains:
            self._chains.append(chain)
        with suppress(RuntimeError):  # no loop runs: there is no delay then
            self._loop = asyncio.get_running_loop()
        if current != self._on_term:
            # getsignal() knows int where a handler was set by number
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
    """Tell whether it is uvicorn's, which raises the signal again after its shutdown."""
    return type(getattr(handler, "__self__", None)).__module__.startswith("uvicorn.")


def _comes_from_a_loop(handler: object) -> bool:
    """Tell whether it is the placeholder that a loop's ``add_signal_handler`` leaves."""
    return str(getattr(handler, "__module__", "")).partition(".")[0] in _LOOPS
