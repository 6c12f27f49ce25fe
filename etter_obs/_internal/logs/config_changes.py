"""Find changes of the app's logging configuration since the last check, to report them."""

from __future__ import annotations

import logging
from typing import Final

from etter_obs._internal.logs.consoles import writes_to_console

_OWN: Final = __name__.partition(".")[0]
_SERVERS: Final = frozenset({"uvicorn", "gunicorn", "hypercorn", "granian", "_granian"})
"""First parts of the names of servers' loggers; they all write to the console."""


class LoggerChanges:
    """Compare all loggers with the last check. Loggers disabled at the first check do not count."""

    def __init__(self) -> None:
        self._disabled = _disabled()
        self._silent: set[str] = set()

    def disabled(self) -> list[str]:
        """Return loggers disabled since the last check; enable this package's own loggers again.

        ``dictConfig`` and ``fileConfig`` disable all existing loggers by default.
        """
        disabled = _disabled()
        for name in list(disabled):
            if name.partition(".")[0] == _OWN:
                logging.getLogger(name).disabled = False
                disabled.discard(name)
        found = sorted(disabled - self._disabled)
        self._disabled = disabled
        return found

    def silent(self) -> list[str]:
        """Return loggers (except servers') that gained a handler that writes to the console."""
        silent = {
            one.name
            for one in (logging.getLogger(), *_loggers())
            if one.name.partition(".")[0] not in _SERVERS
            and any(map(writes_to_console, one.handlers))
        }
        found = sorted(silent - self._silent)
        self._silent = silent
        return found


def _disabled() -> set[str]:
    return {one.name for one in _loggers() if one.disabled}


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [one for one in known if isinstance(one, logging.Logger)]
