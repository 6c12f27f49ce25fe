"""Capture the lines of every logging library of the process in one pipeline."""

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
    """Send all lines to ``taker`` and return the undo. A second call of the undo does nothing.

    Undos may run in any order: the last one restores the original state.
    """
    global _changes  # changes of the process's loggers since the first pipeline takes lines
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
    """Capture libraries imported since the last call and report what the app has reconfigured.

    Each logger with a handler that is now silenced, and each disabled logger, is reported once.
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
