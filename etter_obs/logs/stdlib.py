"""Leads what the standard library's logging module takes into the pipeline.

The root logger gets one handler in place of those that write to the console; files, pytest's
caplog and other destinations stay. The servers' loggers get a filter: uvicorn configures logging
after it has imported the app, which replaces handlers and leaves filters.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, Final

from etter_obs.logs.record import Site
from etter_obs.logs.values import plain_fields

Emit = Callable[[logging.LogRecord], None]

SERVER_LOGGERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "gunicorn.error")
"""Loggers of application servers, which keep their own handlers and do not propagate."""
SILENCED_LOGGERS: Final = ("uvicorn.access", "gunicorn.access")
"""Access logs that ours takes the place of."""

_OWN_FIELDS: Final = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", None, None)).keys()
    | {"message", "asctime", "taskName", "color_message", "stack_info"}
)
"""Attributes of every record, and uvicorn's coloured copy of its message: none of the caller's."""


_taps: Final[list[tuple[Emit, str]]] = []
"""Where records go and from which level; the newest takes all, so that no line comes twice."""


class PipelineHandler(logging.Handler):
    """Root handler. It takes no lock: the queue behind it needs none."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Queue ``record`` unless a filter on this handler refuses it."""
        accepted = bool(self.filter(record))
        if accepted:
            self.emit(record)
        return accepted

    def emit(self, record: logging.LogRecord) -> None:
        """Queue ``record``."""
        if _taps:
            _taps[-1][0](record)


class _Diversion(logging.Filter):
    """On a server's logger: takes each record into the pipeline and keeps it from all handlers."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _taps:
            _taps[-1][0](record)
        return False


class _Silence(logging.Filter):
    """On a server's access logger: lets nothing through."""

    def filter(self, record: logging.LogRecord) -> bool:
        return False


def install(emit: Emit, level: str) -> Callable[[], None]:
    """Lead the root logger and the servers' loggers into ``emit``; returns the undo.

    Undos may come in any order: the last one puts the handlers back.
    """
    tap = (emit, level)
    root = logging.getLogger()
    if not _taps:
        _restore.append(_attach(root))
    _taps.append(tap)
    root.setLevel(level)

    def undo() -> None:
        if tap not in _taps:
            return
        _taps.remove(tap)
        if _taps:
            root.setLevel(_taps[-1][1])
        else:
            _restore.pop()()

    return undo


_restore: Final[list[Callable[[], None]]] = []


def _attach(root: logging.Logger) -> Callable[[], None]:
    handler = PipelineHandler()
    replaced = [old for old in root.handlers if _writes_to_console(old)]
    level = root.level
    place = min((root.handlers.index(old) for old in replaced), default=len(root.handlers))
    for old in replaced:
        root.removeHandler(old)
    root.handlers.insert(place, handler)
    filters: dict[str, logging.Filter] = {name: _Diversion() for name in SERVER_LOGGERS}
    filters |= {name: _Silence() for name in SILENCED_LOGGERS}
    for name, added in filters.items():
        logging.getLogger(name).addFilter(added)

    def detach() -> None:
        for name, added in filters.items():
            logging.getLogger(name).removeFilter(added)
        if handler in root.handlers:
            place = root.handlers.index(handler)
            root.handlers[place : place + 1] = replaced
        root.setLevel(level)

    return detach


def _writes_to_console(handler: logging.Handler) -> bool:
    if not isinstance(handler, logging.StreamHandler):
        return False
    return handler.stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


def message_of(record: logging.LogRecord) -> str:
    """Return the record's message; a format that does not fit its arguments is shown as it is."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # logging must not raise into the code that logs
        return str(record.msg)


def fields_of(record: logging.LogRecord, limit: int) -> dict[str, Any]:
    """Return what the caller passed as ``extra``."""
    extra = {key: value for key, value in vars(record).items() if key not in _OWN_FIELDS}
    return plain_fields(extra, limit) if extra else {}


def site_of(record: logging.LogRecord) -> Site:
    """Return where the record was made."""
    return Site(record.pathname, record.funcName or "", record.lineno)
