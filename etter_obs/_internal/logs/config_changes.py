"""Finds what the app has configured of logging since the last look, so that it can be told of."""

from __future__ import annotations

import logging
from typing import Final

from etter_obs._internal.logs.consoles import writes_to_console

_OWN: Final = __name__.partition(".")[0]
_SERVERS: Final = frozenset({"uvicorn", "gunicorn", "hypercorn", "granian", "_granian"})
"""What servers' loggers begin with; they all write to the console."""


class LoggerChanges:
    """Looks at all loggers again and again. Those disabled by the first look are meant to be."""

    def __init__(self) -> None:
        self._disabled = _disabled()
        self._silent: set[str] = set()

    def disabled(self) -> list[str]:
        """Return loggers that were disabled since; enable this package's own again.

        ``dictConfig`` and ``fileConfig`` disable all that exist, unless they are told not to.
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
        """Return loggers, but servers', which handlers were added to that write to the console."""
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
