"""Capture the lines of structlog loggers that the app has configured, through its own processors.

These are loggers that were bound before the set-up, and all loggers of an app that configures
structlog itself. The app's processors run once, in their order: they add fields, drop lines and
hide values. The pipeline takes the line before the last processor, which renders a text. The text
is rendered and goes to the app's destination only if that is not just the console.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from typing import Any, Final

import structlog
from structlog.typing import Processor

from etter_obs._internal.conventions import log_fields
from etter_obs._internal.logs import fields as names
from etter_obs._internal.logs import stdlib
from etter_obs._internal.logs.callsite import caller
from etter_obs._internal.logs.consoles import is_console
from etter_obs._internal.logs.taps import Taker

LEVELS: Final = {
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
"""Level of each logging method of structlog."""
_NUMBERS: Final = logging.getLevelNamesMapping()
_ADDED: Final = frozenset(names.CORE) - frozenset(names.IDS) - {log_fields.MESSAGE}
"""Fields that processors add for a text and that every line has anyway."""
_EVENT: Final = ("event", log_fields.MESSAGE, "msg")
"""Keys under which a chain stores the message; ``EventRenamer`` moves it."""


class NamedLogger:
    """The object that our loggers wrap: a name, and a logger of the app's own factory."""

    __slots__ = ("_factory", "_made", "name")

    def __init__(self, name: str | None = None, *_: Any) -> None:
        self.name = name
        self._factory: object = None
        self._made: Any = None

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self.made(), attribute)

    def made(self) -> Any:
        """Return the logger that structlog's configuration creates for this name."""
        factory = structlog.get_config()["logger_factory"]
        if factory is not self._factory:
            name = self.name
            if factory is NamedLogger:
                self._made = logging.getLogger(name or caller()[1])
            elif name is None and not isinstance(factory, structlog.stdlib.LoggerFactory):
                self._made = factory()
            else:
                self._made = factory(name or caller()[1])
            self._factory = factory
        return self._made


def take(
    bound: Any,
    processors: Iterable[Processor],
    method: str,
    event: Any,
    fields: dict[str, Any],
    taker: Taker,
) -> Any:
    """Run the processors of a logger; pass the line to ``taker`` and the text to its destination.

    Args:
        bound: The logger, of any class of structlog.
        processors: Its current processors.
        method: Name of the method that was called.
        event: The message.
        fields: The fields of this call.
        taker: The pipeline.

    Returns:
        The result of the wrapped logger; None if the text went nowhere.
    """
    wrapped = bound._logger
    if isinstance(wrapped, NamedLogger):
        wrapped = wrapped.made()
    number = _NUMBERS[LEVELS.get(method, "INFO")]
    to_logging = isinstance(wrapped, logging.Logger)
    if to_logging:
        elsewhere = stdlib.routing_of(wrapped)[1]
    else:
        file = getattr(wrapped, "_file", None)  # of structlog's printing loggers
        elsewhere = file is None or not is_console(file)
    due = number >= taker.threshold and (not to_logging or wrapped.isEnabledFor(number))
    if not due and not elsewhere:
        return None
    try:
        line, result = _run(bound, tuple(processors), method, event, fields, whole=elsewhere)
    except structlog.DropEvent:
        return None
    if due:
        _give(line, method, bound._logger, bound._context.keys() | fields.keys(), taker)
    if not elsewhere:
        return None
    args, more = _arguments(result)
    with stdlib.handing_on() if to_logging else nullcontext():
        return getattr(wrapped, method)(*args, **more)


def _run(
    bound: Any,
    processors: tuple[Processor, ...],
    method: str,
    event: Any,
    fields: dict[str, Any],
    whole: bool,
) -> tuple[dict[str, Any], Any]:
    """Return the line before it becomes a text, and the text (perhaps none without ``whole``)."""
    line: Any = {**bound._context, **fields}
    if event is not None:
        line["event"] = event
    taken = dict(line)
    for processor in processors:
        if isinstance(line, Mapping):
            taken = dict(line)
        if not whole and processor is processors[-1] and _only_renders(processor):
            break
        line = processor(bound._logger, method, line)
    return taken, line


def _only_renders(processor: Processor) -> bool:
    """Return whether a processor is one of structlog's own that only render a text."""
    kind = processor if hasattr(processor, "__name__") else type(processor)
    module = getattr(kind, "__module__", "")
    return module.partition(".")[0] == "structlog" and not module.startswith("structlog.testing")


def _arguments(result: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments for the wrapped logger from the result of the last processor."""
    if isinstance(result, tuple):
        args, fields = result
        return tuple(args), dict(fields)
    if isinstance(result, dict):
        return (), result
    return (result,), {}


def _give(
    line: dict[str, Any], method: str, logger: Any, given: AbstractSet[str], taker: Taker
) -> None:
    """Pass a line of the app's processors to ``taker``.

    Args:
        line: The fields of the line.
        method: Name of the method that was called.
        logger: The wrapped logger.
        given: Names of the fields that callers set.
        taker: The pipeline.
    """
    frame, module = caller()
    name = getattr(logger, "name", None) or module
    message = next((line.pop(key) for key in _EVENT if key in line and key not in given), None)
    args = line.pop("positional_args", ())
    if args and isinstance(message, str):
        message %= args
    text = line.get("exception")
    if isinstance(text, str) and "exception" not in given:  # from format_exc_info
        del line["exception"]
        line["exc_info"] = text
    for key in _ADDED.difference(given):
        line.pop(key, None)
    level = LEVELS.get(method, "INFO")
    taker.take_event(level, name, message, line, (frame.f_code, frame.f_lineno))
