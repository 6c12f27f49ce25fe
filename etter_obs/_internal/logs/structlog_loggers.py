"""Leads structlog's loggers into the pipeline: its own by the fastest way, the app's by theirs.

Where the app has not configured structlog, this does, with a class and processors of its own. A
logger that has logged once is cached by structlog for good, with both. They are therefore made
once, and what they lead to is looked up when they are called: after an undo, or with another
pipeline, every old logger follows.

All other loggers, bound before or configured by the app before or after, are reached by the one
method that each kind of structlog's loggers calls; see ``logs/structlog_chains.py``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from types import FrameType
from typing import Any, Final

import structlog
from structlog import contextvars as structlog_contextvars
from structlog.typing import FilteringBoundLogger

from etter_obs._internal.logs import stdlib, structlog_chains
from etter_obs._internal.logs.callsite import caller
from etter_obs._internal.logs.record import Site
from etter_obs._internal.logs.structlog_chains import LEVELS, NamedLogger
from etter_obs._internal.logs.taps import takers
from etter_obs._internal.logs.wrapped_method import WrappedMethod

_NUMBERS: Final = logging.getLevelNamesMapping()
_DIRECT: Final = ("debug", "info", "warning", "error", "exception", "critical")
# None of structlog's context variables exists until something is bound; looking at all of a
# context's variables takes longer than all the rest. Where the name is gone, we look each time.
_variables: Final = getattr(structlog_contextvars, "_CONTEXT_VARS", (None,))
_loggers: Final[dict[str, logging.Logger]] = {}
"""The logging module's, by name: its own look-up takes a lock."""


class BoundLogger(structlog.BoundLoggerBase):
    """Class of all loggers of ours; :func:`use_level` gives it the methods of the level in force.

    What else a logger of the logging module has, as ``name``, ``handlers`` and ``setLevel``, is
    that of its namesake there, as with structlog's own class for that module.
    """

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self._namesake(), attribute)

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # the logging module's name
        """Tell whether a line of ``level`` is written."""
        threshold = takers[-1].threshold if takers else 0
        return level >= max(threshold, stdlib.routing_of(self._namesake())[0])

    def _namesake(self) -> logging.Logger:
        return _stdlib_logger(self._logger.name or caller()[1])


def get_logger(name: str | None = None, **fields: Any) -> FilteringBoundLogger:
    """Return a structlog bound logger for ``name``, with ``fields`` on every line.

    It may be made, bound and used before :func:`etter_obs.setup_observability` runs; without a
    name, lines carry the name of the module that logs them.
    """
    logger: FilteringBoundLogger = structlog.wrap_logger(NamedLogger(name), **fields)
    return logger


def bound_variables() -> dict[str, Any]:
    """Return what ``structlog.contextvars.bind_contextvars`` holds for the code that runs."""
    return structlog_contextvars.get_contextvars() if _variables else {}


def attach() -> None:
    """Begin to take lines, and configure structlog where the app has not."""
    _PROXY.put()
    if not structlog.is_configured():
        structlog.configure(
            processors=_PROCESSORS,
            wrapper_class=BoundLogger,
            context_class=dict,
            logger_factory=NamedLogger,
            cache_logger_on_first_use=True,
        )


def detach() -> None:
    """Take no more lines, and undo the configuration if it is still ours."""
    _PROXY.remove()
    if structlog.get_config()["wrapper_class"] is BoundLogger:
        structlog.reset_defaults()


def use_level(level: str) -> None:
    """Give :class:`BoundLogger` the methods that log from ``level`` up."""
    threshold = _NUMBERS[level]
    for name, method in vars(structlog.make_filtering_bound_logger(threshold)).items():
        if not name.startswith("_"):
            setattr(BoundLogger, name, method)
    for name in _DIRECT:
        if _NUMBERS[LEVELS[name]] >= threshold:
            setattr(BoundLogger, name, _direct_method(name, LEVELS[name]))


def _direct_method(method: str, level: str) -> Callable[..., None]:
    """Return a logging method that does what structlog's does, without the calls in between.

    It is used as long as the processors are ours; `capture_logs` puts others in their place.
    """
    failed, number = method == "exception", _NUMBERS[level]

    def log(self: BoundLogger, event: Any = None, *args: Any, **fields: Any) -> None:
        if failed:
            fields.setdefault("exc_info", True)
        if args:
            mapping = len(args) == 1 and args[0] and isinstance(args[0], Mapping)
            event %= args[0] if mapping else args
        if not takers or self._processors is not _PROCESSORS or _PROCESSORS[0] is not _queue:
            self._proxy_to_logger("error" if failed else method, event, **fields)
            return
        if self._context:
            fields = {**self._context, **fields}
        frame = sys._getframe(1)
        name = self._logger.name or frame.f_globals.get("__name__", "?")
        lowest, elsewhere = stdlib.routing_of(_loggers.get(name) or _stdlib_logger(name))
        if elsewhere or _variables:
            _lead(name, level, event, fields, frame)
        elif number >= lowest:
            takers[-1].take_event(level, name, event, fields, (frame.f_code, frame.f_lineno))

    log.__name__ = method
    return log


def _lead(name: str, level: str, event: Any, fields: dict[str, Any], frame: FrameType) -> None:
    """Give a line to the pipeline, and to handlers of logging that are no console's."""
    if _variables:
        fields = {**structlog_contextvars.get_contextvars(), **fields}
    namesake = _loggers.get(name) or _stdlib_logger(name)
    lowest, elsewhere = stdlib.routing_of(namesake)
    number = _NUMBERS[level]
    if number < lowest:
        return
    handed_on = dict(fields) if elsewhere else fields
    code, line = frame.f_code, frame.f_lineno
    taker = takers[-1:]
    if taker:
        taker[0].take_event(level, name, event, fields, (code, line))
    if elsewhere:
        site = Site(code.co_filename, code.co_name, line)
        stdlib.hand_on(namesake, number, event, handed_on, site)


def _stdlib_logger(name: str) -> logging.Logger:
    return _loggers.setdefault(name, logging.getLogger(name))


def _queue(logger: Any, method_name: str, event: MutableMapping[str, Any]) -> Any:
    """Stand for the pipeline: the one processor of ours; log to logging where no pipeline is."""
    if _variables:
        event = structlog_contextvars.merge_contextvars(logger, method_name, event)
    fields = dict(event)
    message, info = fields.pop("event", None), fields.pop("exc_info", None)
    number = _NUMBERS[LEVELS.get(method_name, "INFO")]
    namesake = logging.getLogger(logger.name or caller()[1])
    namesake.log(number, "%s %s", message, fields, exc_info=info)
    raise structlog.DropEvent


# One list for good: structlog.testing.capture_logs changes it in place to reach cached loggers.
_PROCESSORS: Final[list[Any]] = [_queue]


def _around_proxy(original: Callable[..., Any]) -> Callable[..., Any]:
    def _proxy_to_logger(bound: Any, method_name: str, event: Any = None, **fields: Any) -> Any:
        taker = takers[-1:]
        if not taker:
            return original(bound, method_name, event, **fields)
        processors = bound._processors
        if isinstance(bound._logger, NamedLogger):  # it follows, whenever it was bound
            processors = structlog.get_config()["processors"]
        if processors is not _PROCESSORS or _PROCESSORS[0] is not _queue:
            return structlog_chains.take(bound, processors, method_name, event, fields, taker[0])
        # Of our configuration, but not called directly: `await log.ainfo(…)`, `log.log(20, …)`.
        level = LEVELS.get(method_name, "INFO")
        if _NUMBERS[level] >= taker[0].threshold:
            frame, module = caller()
            fields = {**bound._context, **fields}
            _lead(bound._logger.name or module, level, event, fields, frame)
        return None

    return _proxy_to_logger


_PROXY: Final = WrappedMethod(structlog.BoundLoggerBase, "_proxy_to_logger", _around_proxy)
