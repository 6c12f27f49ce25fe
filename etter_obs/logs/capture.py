"""Leads every library of logging that the process uses into one pipeline."""

from __future__ import annotations

from collections.abc import Callable

from etter_obs.logs import loguru_sink, stdlib, structured
from etter_obs.logs.taps import Taker, takers


def install(taker: Taker) -> Callable[[], None]:
    """Lead all lines into ``taker``; returns the undo, whose second call does nothing.

    Undos may come in any order: the last one restores what was found.
    """
    if not takers:
        stdlib.attach()
        structured.attach()
    takers.append(taker)
    _use_level()

    def undo() -> None:
        if taker not in takers:
            return
        takers.remove(taker)
        if takers:
            _use_level()
            return
        loguru_sink.detach()
        structured.detach()
        stdlib.detach()

    return undo


def look_again() -> list[str]:
    """Lead in what was imported since; return loggers that a configuration has disabled since."""
    loguru_sink.attach()
    return stdlib.newly_disabled()


def _use_level() -> None:
    stdlib.use_level(takers[-1].level)
    structured.use_level(takers[-1].level)
    loguru_sink.attach()
