"""Capture the lines of structlog: of our own loggers by the fastest path, of the app's by theirs.

If the app has not configured structlog, this module does, with its own class and processors.
structlog caches a logger that has logged once, with both, permanently. Both are therefore created
once, and their destination is looked up at each call: after an undo, or with another pipeline,
every old logger follows.

All other loggers, whether bound earlier or configured by the app at any time, are captured in the
one method that every kind of structlog logger calls; see ``logs/structlog_chains.py``.
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
# structlog has no context variable until something is bound; checking all variables of a context
# takes longer than the rest of the call. If the name is gone, check each time.
_variables: Final = getattr(structlog_contextvars, "_CONTEXT_VARS", (None,))
_loggers: Final[dict[str, logging.Logger]] = {}
"""Loggers of the logging module by name: its own lookup takes a lock."""


class BoundLogger(structlog.BoundLoggerBase):
    """The class of our loggers; ``use_level`` sets its methods for the current level.

    Other attributes of a logger of the logging module, such as ``name``, ``handlers`` and
    ``setLevel``, are those of its namesake there, as in structlog's own class for that module.
    """

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self._namesake(), attribute)

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # the name in the logging module
        """Return whether a line of ``level`` is written."""
        threshold = takers[-1].threshold if takers else 0
        return level >= max(threshold, stdlib.routing_of(self._namesake())[0])

    def _namesake(self) -> logging.Logger:
        return _stdlib_logger(self._logger.name or caller()[1])


def get_logger(name: str | None = None, **fields: Any) -> FilteringBoundLogger:
    """Return a structlog bound logger for ``name``, with ``fields`` on every line.

    It may be created, bound and used before ``etter_obs.setup_observability`` runs. Without a name,
    lines carry the name of the module that logs them.
    """
    logger: FilteringBoundLogger = structlog.wrap_logger(NamedLogger(name), **fields)
    return logger


def bound_variables() -> dict[str, Any]:
    """Return the ``structlog.contextvars.bind_contextvars`` fields of the running code."""
    return structlog_contextvars.get_contextvars() if _variables else {}


def attach() -> None:
    """Start to take lines, and configure structlog if the app has not."""
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
    """Stop taking lines, and undo the configuration if it is still ours."""
    _PROXY.remove()
    if structlog.get_config()["wrapper_class"] is BoundLogger:
        structlog.reset_defaults()


def use_level(level: str) -> None:
    """Set the methods of ``BoundLogger`` that log from ``level`` up."""
    threshold = _NUMBERS[level]
    for name, method in vars(structlog.make_filtering_bound_logger(threshold)).items():
        if not name.startswith("_"):
            setattr(BoundLogger, name, method)
    for name in _DIRECT:
        if _NUMBERS[LEVELS[name]] >= threshold:
            setattr(BoundLogger, name, _direct_method(name, LEVELS[name]))


def _direct_method(method: str, level: str) -> Callable[..., None]:
    """Return a logging method that does what structlog's does, without the calls in between.

    It is used as long as the processors are ours; ``capture_logs`` replaces them.
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
    """Pass a line to the pipeline and to handlers of logging that are not the console's.

    Args:
        name: Name of the logger.
        level: Name of the level.
        event: The message.
        fields: The fields of the line.
        frame: The frame that logs.
    """
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
    """Replace the pipeline as our only processor; log to logging if there is no pipeline."""
    if _variables:
        event = structlog_contextvars.merge_contextvars(logger, method_name, event)
    fields = dict(event)
    message, info = fields.pop("event", None), fields.pop("exc_info", None)
    number = _NUMBERS[LEVELS.get(method_name, "INFO")]
    namesake = logging.getLogger(logger.name or caller()[1])
    namesake.log(number, "%s %s", message, fields, exc_info=info)
    raise structlog.DropEvent


# The same list permanently: structlog.testing.capture_logs changes it in place to reach cached
# loggers.
_PROCESSORS: Final[list[Any]] = [_queue]


def _around_proxy(original: Callable[..., Any]) -> Callable[..., Any]:
    def _proxy_to_logger(bound: Any, method_name: str, event: Any = None, **fields: Any) -> Any:
        taker = takers[-1:]
        if not taker:
            return original(bound, method_name, event, **fields)
        processors = bound._processors
        if isinstance(
            bound._logger, NamedLogger
        ):  # it follows the configuration, whenever it was bound
            processors = structlog.get_config()["processors"]
        if processors is not _PROCESSORS or _PROCESSORS[0] is not _queue:
            return structlog_chains.take(bound, processors, method_name, event, fields, taker[0])
        # Our configuration, but not a direct call: `await log.ainfo(…)`, `log.log(20, …)`.
        level = LEVELS.get(method_name, "INFO")
        if _NUMBERS[level] >= taker[0].threshold:
            frame, module = caller()
            fields = {**bound._context, **fields}
            _lead(bound._logger.name or module, level, event, fields, frame)
        return None

    return _proxy_to_logger


_PROXY: Final = WrappedMethod(structlog.BoundLoggerBase, "_proxy_to_logger", _around_proxy)
