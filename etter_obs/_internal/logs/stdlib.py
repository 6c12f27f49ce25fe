"""Capture the records of the standard library's logging module.

The app's handlers, loggers and levels are not changed, whoever configures them and when: a server
after it imported the app, ``dictConfig``, or Alembic's ``fileConfig`` during the start. Two methods
are wrapped instead. ``Logger.callHandlers`` takes each record that reaches the root logger.
``Handler.handle`` silences handlers that write to the console, and takes records that reach one of
them by another path. All other handlers get every record in their own format.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any, Final

from etter_obs._internal.logs.consoles import writes_to_console
from etter_obs._internal.logs.record import Site
from etter_obs._internal.logs.taps import takers
from etter_obs._internal.logs.wrapped_method import WrappedMethod
from etter_obs._internal.redaction.plain_values import plain_fields

ACCESS_LOGGERS: Final = frozenset(
    {"uvicorn.access", "gunicorn.access", "hypercorn.access", "granian.access"}
)
"""Access loggers of servers; on the console, our access log replaces them."""

_OWN_FIELDS: Final = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", None, None)).keys()
    | {"message", "asctime", "taskName", "color_message", "stack_info"}
)
"""Attributes of every record, and uvicorn's coloured copy of its message: not the caller's."""
_LOGURU_SINKS: Final = "loguru._simple_sinks"
_MAX_FRAMES: Final = 16


class _Seen(str):
    """The level name of a record that was processed: handlers of the console ignore the record.

    All other handlers see the level name. The mark is kept in the copy that a ``QueueHandler``
    makes for another thread, but not across processes.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


class _State:
    """The original state, to restore."""

    level = logging.WARNING
    set_level = logging.WARNING


_state: Final = _State()
# State by thread id: a context variable would be copied into tasks that start meanwhile, and takes
# longer to check when it is empty.
_handing_on: Final[set[int]] = set()
"""Threads whose next record belongs to a line that was already taken."""
_handling: Final[dict[int, logging.LogRecord]] = {}
"""Records whose handlers are running."""


def attach() -> None:
    """Start to take records."""
    _CALL_HANDLERS.put()
    _HANDLE.put()
    _state.level = logging.getLogger().level


def use_level(level: str) -> None:
    """Set the root logger to ``level``."""
    root = logging.getLogger()
    root.setLevel(level)
    _state.set_level = root.level


def detach() -> None:
    """Stop taking records, and restore the root logger's level unless other code has changed it."""
    _CALL_HANDLERS.remove()
    _HANDLE.remove()
    root = logging.getLogger()
    if root.level == _state.set_level:
        root.setLevel(_state.level)


# -- records --------------------------------------------------------------------------------------


def message_of(record: logging.LogRecord) -> str:
    """Return the message of the record; a format that does not fit is returned as it is."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # logging must not raise into the code that logs
        return str(record.msg)


def fields_of(record: logging.LogRecord, limit: int) -> dict[str, Any]:
    """Return the caller's ``extra``."""
    extra = {key: value for key, value in vars(record).items() if key not in _OWN_FIELDS}
    return plain_fields(extra, limit) if extra else {}


def exception_in(record: logging.LogRecord) -> object:
    """Return the exception of the record: as text if it comes from another process or a queue."""
    return record.exc_info or (record.exc_text or "").strip()


def site_of(record: logging.LogRecord) -> Site:
    """Return where the record was created."""
    return Site(record.pathname, record.funcName or "", record.lineno)


def is_handled_here(message: str) -> bool:
    """Return whether this thread is calling the handlers of a record with ``message``.

    A handler that passes records to another logging library creates lines that were already taken.
    """
    record = _handling.get(get_ident())
    return record is not None and message_of(record) in message


# -- lines of structlog, for handlers of logging ---------------------------------------------------


def routing_of(logger: logging.Logger) -> tuple[int, bool]:
    """Return the lowest level of ``logger``, and whether its records go anywhere but the console.

    The level is its own or that of the nearest ancestor other than the root: the root's level
    applies only to lines of the logging module.
    """
    elsewhere = logging.Logger.callHandlers is not _CALL_HANDLERS.alone
    level, reached, node = 0, True, logger
    while True:
        if reached:
            if node.handlers and not elsewhere:
                elsewhere = not all(map(writes_to_console, node.handlers))
            reached = node.propagate
        above = node.parent
        if above is None:
            return level, elsewhere
        level = level or node.level
        node = above


def hand_on(
    logger: logging.Logger, level: int, message: Any, fields: dict[str, Any], site: Site
) -> None:
    """Pass a line that was already taken to the handlers of ``logger`` that are not the console's.

    Args:
        logger: The logger of the line.
        level: The level as a number.
        message: The message.
        fields: May contain ``exc_info``; the other fields become attributes of the record.
        site: Where the line was logged.
    """
    if not logger.isEnabledFor(level):
        return
    info = fields.pop("exc_info", None)
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    elif not isinstance(info, tuple):
        info = sys.exc_info() if info else None
    record = logger.makeRecord(
        logger.name, level, site.filename, site.line, message, (), info, site.function
    )
    vars(record).update({key: fields[key] for key in fields.keys() - _OWN_FIELDS})
    _mark(record)
    logger.callHandlers(record)


@contextmanager
def handing_on() -> Iterator[None]:
    """Within the block, the first record of this thread is of a line that was already taken."""
    _handing_on.add(get_ident())
    try:
        yield
    finally:
        _handing_on.discard(get_ident())


# -- what is put around logging's own methods -----------------------------------------------------


def _around_call_handlers(original: Callable[..., None]) -> Callable[..., None]:
    def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802
        if not takers:
            original(logger, record)
            return
        if _handing_on and get_ident() in _handing_on:
            _handing_on.discard(get_ident())
            _mark(record)
        elif type(record.levelname) is not _Seen and _look_at(logger, record):
            return
        thread = get_ident()
        before = _handling.get(thread)
        _handling[thread] = record
        try:
            original(logger, record)
        finally:
            if before is None:
                del _handling[thread]
            else:
                _handling[thread] = before

    return _as_of_logging(callHandlers)


def _around_handle(original: Callable[..., bool]) -> Callable[..., bool]:
    def handle(handler: logging.Handler, record: logging.LogRecord) -> bool:
        if not takers or not writes_to_console(handler):
            return original(handler, record)
        # Not from a logger that leads to the root: from a separate logger, or from a queue.
        if type(record.levelname) is not _Seen:
            _take_first([_filtered(handler, record)])
        return False

    return _as_of_logging(handle)


def _as_of_logging(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` with the file name of the logging module.

    Handlers that look for the code that logs, such as the one in loguru's manual, skip frames of
    that file.
    """
    code = function.__code__
    function.__code__ = code.replace(co_filename=logging.addLevelName.__code__.co_filename)
    return function


_CALL_HANDLERS: Final = WrappedMethod(logging.Logger, "callHandlers", _around_call_handlers)
_HANDLE: Final = WrappedMethod(logging.Handler, "handle", _around_handle)


def _look_at(logger: logging.Logger, record: logging.LogRecord) -> bool:
    """Take a record that reaches the root, unless all handlers of the console there reject it.

    A record that does not reach the root is taken if it reaches a handler of the console.

    Returns:
        Whether no other handler needs the record.
    """
    handlers: list[logging.Handler] = []
    node = logger
    while True:
        if node.handlers:
            handlers += node.handlers
        if node.parent is None:
            break
        if not node.propagate:
            return False
        node = node.parent
    if not handlers:
        _take(record)
        return _CALL_HANDLERS.alone is not None
    consoles = list(filter(writes_to_console, handlers))
    _take_first([_filtered(one, record) for one in consoles] or [record])
    _mark(record)
    return len(consoles) == len(handlers) and _CALL_HANDLERS.alone is not None


def _filtered(handler: logging.Handler, record: logging.LogRecord) -> logging.LogRecord | None:
    """Return the record as the filters of ``handler`` leave it; None if they reject it."""
    try:
        # Since Python 3.12, a filter may replace the record.
        accepted: object = handler.filter(record)
    except Exception:  # noqa: BLE001  # a failing filter must not lose the line
        return record
    if isinstance(accepted, logging.LogRecord):
        return accepted
    return record if accepted else None


def _take_first(records: list[logging.LogRecord | None]) -> None:
    """Take one line, of the first record that is left."""
    for record in filter(None, records):
        _take(record)
        return


def _take(record: logging.LogRecord) -> None:
    taker = takers[-1:]
    taken = record.name in ACCESS_LOGGERS or (hasattr(record, "extra") and _is_of_loguru(record))
    if taker and not taken:
        taker[0].take_record(record)
    _mark(record)


def _mark(record: logging.LogRecord) -> None:
    record.levelname = _Seen(record.levelname)


def _is_of_loguru(record: logging.LogRecord) -> bool:
    """Return whether loguru created the record for a sink of its own; its line is already taken."""
    if not isinstance(getattr(record, "extra", None), dict):
        return False
    frame = sys._getframe(1)
    for _ in range(_MAX_FRAMES):
        if frame.f_back is None:
            break
        frame = frame.f_back
        if frame.f_globals.get("__name__") == _LOGURU_SINKS:
            return True
    return False
