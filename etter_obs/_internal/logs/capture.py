"""Leads every library of logging that the process uses into one pipeline."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from etter_obs._internal.logs import loguru_sink, stdlib, structlog_loggers
from etter_obs._internal.logs.config_changes import LoggerChanges
from etter_obs._internal.logs.taps import Taker, takers

_MAX_NAMED: Final = 5
_LOG: Final = logging.getLogger("etter_obs.logs")
_changes = LoggerChanges()


def install(taker: Taker) -> Callable[[], None]:
    """Lead all lines into ``taker``; returns the undo, whose second call does nothing.

    Undos may come in any order: the last one restores what was found.
    """
    global _changes  # of the process's loggers, since the first pipeline takes lines
    if not takers:
        _changes = LoggerChanges()
        stdlib.attach()
        structlog_loggers.attach()
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
        structlog_loggers.detach()
        stdlib.detach()

    return undo


def detect_config_changes() -> None:
    """Lead in what was imported since, and tell of what the app has configured for itself since.

    Each logger with a handler that is silent now, and each that was disabled, is named once.
    """
    loguru_sink.attach()
    silent, disabled = _changes.silent(), _changes.disabled()
    if silent:
        _LOG.info(
            "Logging handlers that write to the console are silenced, because each line is "
            "written once, as JSON: %s",
            _named(silent),
        )
    if disabled:
        _LOG.warning(
            "A logging configuration disabled %d loggers, and their lines are lost: %s. "
            "Set disable_existing_loggers=False in that configuration",
            len(disabled),
            _named(disabled),
        )


def _named(loggers: list[str]) -> str:
    more = ", …" if len(loggers) > _MAX_NAMED else ""
    return ", ".join(loggers[:_MAX_NAMED]) + more


def _use_level() -> None:
    stdlib.use_level(takers[-1].level)
    structlog_loggers.use_level(takers[-1].level)
    loguru_sink.attach()
