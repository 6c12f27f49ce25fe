"""Leads structlog's loggers into the pipeline, by structlog's own fastest way.

A logger that has logged once is cached by structlog for good, with its class and its processors.
Both are therefore made once, here, and what they lead to is looked up when they are called: after
an undo, or with another pipeline, every old logger follows.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from types import CodeType, FrameType
from typing import Any, Final

import structlog
from structlog import contextvars as structlog_contextvars
from structlog.typing import FilteringBoundLogger

Emit = Callable[[str, str, Any, dict[str, Any], CodeType, int], None]
"""Takes level, logger, message, fields (its own to change), and the code and line that logged."""


class BoundLogger(structlog.BoundLoggerBase):
    """Class of all loggers; :func:`install` gives it the methods of the level in force."""


_LEVELS: Final = {
    "debug": "DEBUG",
    "info": "INFO",
    "msg": "INFO",
    "warning": "WARNING",
    "warn": "WARNING",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "CRITICAL",
    "fatal": "CRITICAL",
}
_taps: Final[list[tuple[Emit, str]]] = []
"""Where lines go and from which level; the newest takes all, so that no line comes twice."""
_restore: Final[list[Callable[[], None]]] = []
_DIRECT: Final = ("debug", "info", "warning", "error", "exception", "critical")
# None of structlog's context variables exists until something is bound; looking at all of a
# context's variables takes longer than all the rest. Where the name is gone, we look each time.
_variables: Final = getattr(structlog_contextvars, "_CONTEXT_VARS", (None,))
_calling_stack: Final = getattr(structlog_contextvars, "_ASYNC_CALLING_STACK", None)


class _NamedLogger:
    """The end of structlog's chain: it knows its name; the processor has queued the line."""

    __slots__ = ("name",)

    def __init__(self, name: str | None = None, *_: Any) -> None:
        self.name = name

    def _done(self) -> None:
        """Do nothing."""

    debug = info = msg = warning = warn = error = exception = critical = fatal = _done


def get_logger(name: str | None = None, **fields: Any) -> FilteringBoundLogger:
    """Return a structlog bound logger for ``name``, with ``fields`` on every line.

    It may be made before :func:`etter_obs.setup_observability` runs; without a name, lines carry
    the name of the module that logs them.
    """
    logger: FilteringBoundLogger = structlog.get_logger(
        *(() if name is None else (name,)), **fields
    )
    return logger


def bound_variables() -> dict[str, Any]:
    """Return what ``structlog.contextvars.bind_contextvars`` holds for the code that runs."""
    return structlog_contextvars.get_contextvars() if _variables else {}


def install(emit: Emit, level: str) -> Callable[[], None]:
    """Lead structlog into ``emit`` from ``level`` up; returns the undo.

    Undos may come in any order: the last one puts structlog's configuration back.
    """
    tap = (emit, level)
    if not _taps:
        _restore.append(_configure())
    _taps.append(tap)
    _use_level(level)

    def undo() -> None:
        if tap not in _taps:
            return
        _taps.remove(tap)
        if _taps:
            _use_level(_taps[-1][1])
        else:
            _restore.pop()()

    return undo


def _configure() -> Callable[[], None]:
    was_configured, previous = structlog.is_configured(), structlog.get_config()
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=BoundLogger,
        context_class=dict,
        logger_factory=_NamedLogger,
        cache_logger_on_first_use=True,
    )

    def restore() -> None:
        if was_configured:
            structlog.configure(**previous)
        else:
            structlog.reset_defaults()

    return restore


def _use_level(level: str) -> None:
    """Give :class:`BoundLogger` the methods that log from ``level`` up."""
    threshold = logging.getLevelNamesMapping()[level]
    for name, method in vars(structlog.make_filtering_bound_logger(threshold)).items():
        if not name.startswith("_"):
            setattr(BoundLogger, name, method)
    for name in _DIRECT:
        if logging.getLevelNamesMapping()[_LEVELS[name]] >= threshold:
            setattr(BoundLogger, name, _direct_method(name, _LEVELS[name]))


def _direct_method(name: str, level: str) -> Callable[..., None]:
    """Return a logging method that does what structlog's does, without the calls in between.

    It is used as long as the processors are ours; `capture_logs` puts others in their place.
    """
    failed = name == "exception"

    def log(self: BoundLogger, event: Any = None, *args: Any, **fields: Any) -> None:
        if failed:
            fields.setdefault("exc_info", True)
        if args:
            mapping = len(args) == 1 and args[0] and isinstance(args[0], Mapping)
            event %= args[0] if mapping else args
        if not _taps or self._processors is not _PROCESSORS or _PROCESSORS[0] is not _queue:
            self._proxy_to_logger("error" if failed else name, event, **fields)
            return
        if self._context:
            fields = {**self._context, **fields}
        if _variables:
            fields = {**structlog_contextvars.get_contextvars(), **fields}
        frame = sys._getframe(1)
        logger = self._logger.name or frame.f_globals.get("__name__", "?")
        _taps[-1][0](level, logger, event, fields, frame.f_code, frame.f_lineno)

    log.__name__ = name
    return log


def _first_outside(frame: FrameType) -> tuple[FrameType, str]:
    """Return the first frame outside structlog, and the name of its module."""
    module = frame.f_globals.get("__name__", "?")
    while module.partition(".")[0] == "structlog" and frame.f_back is not None:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "?")
    return frame, module


def _queue(
    logger: Any, method_name: str, event: MutableMapping[str, Any]
) -> tuple[tuple[()], dict[str, Any]]:
    """Hand the event on to the pipeline: the one processor of the chain."""
    if _variables:
        event = structlog_contextvars.merge_contextvars(logger, method_name, event)
    frame = sys._getframe(1)
    if _calling_stack is not None:
        frame = _calling_stack.get(frame)  # the frame that awaited ainfo() runs in another thread
    frame, module = _first_outside(frame)
    level, name = _LEVELS.get(method_name, "INFO"), logger.name or module
    fields = dict(event)
    message = fields.pop("event", None)
    if _taps:
        _taps[-1][0](level, name, message, fields, frame.f_code, frame.f_lineno)
    else:  # a logger that outlived its pipeline
        info = fields.pop("exc_info", None)
        logging.getLogger(name).log(
            logging.getLevelNamesMapping()[level], "%s %s", message, fields, exc_info=info
        )
    return (), {}


# One list for good: structlog.testing.capture_logs changes it in place to reach cached loggers.
_PROCESSORS: Final[list[Any]] = [_queue]
