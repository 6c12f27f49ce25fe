"""Takes lines of structlog's loggers that the app has configured, by its own processors.

Those are loggers which were bound before the set-up, and all of an app that configures structlog
for itself. Its processors run as it has ordered them, once: they add fields, drop lines, and hide
what they hide. What stands before the last of them, which makes a text, goes to the pipeline. The
text is made, and goes where the app sends it, where that is not the console alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from typing import Any, Final

import structlog
from structlog.typing import Processor

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
"""Levels of structlog's methods."""
_NUMBERS: Final = logging.getLevelNamesMapping()
_ADDED: Final = frozenset(names.CORE) - frozenset(names.IDS) - {names.MESSAGE}
"""Fields that processors add for a text, and that every line of ours has anyway."""
_EVENT: Final = ("event", names.MESSAGE, "msg")
"""Where a chain keeps what is said; ``EventRenamer`` moves it."""


class NamedLogger:
    """What our loggers wrap: it has a name, and all else of what the app's own factory makes."""

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
        """Return the logger that structlog's configuration makes for this name."""
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
    """Run a logger's processors, give the line to ``taker``, and the text to where it belongs.

    Args:
        bound: the logger, of any class of structlog's.
        processors: those in force for it.
        method: the name of its method that was called.
        event: what is said.
        fields: those of this call.
        taker: the pipeline.

    Returns:
        What the logger that is wrapped returns; None where its text went nowhere.
    """
    wrapped = bound._logger
    if isinstance(wrapped, NamedLogger):
        wrapped = wrapped.made()
    number = _NUMBERS[LEVELS.get(method, "INFO")]
    to_logging = isinstance(wrapped, logging.Logger)
    if to_logging:
        elsewhere = stdlib.routing_of(wrapped)[1]
    else:
        file = getattr(wrapped, "_file", None)  # of structlog's loggers that print
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
    """Return the line before it becomes a text, and the text; without ``whole`` perhaps no text."""
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
    """Tell whether a processor is one of structlog's own that make a text and do nothing else."""
    kind = processor if hasattr(processor, "__name__") else type(processor)
    module = getattr(kind, "__module__", "")
    return module.partition(".")[0] == "structlog" and not module.startswith("structlog.testing")


def _arguments(result: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what the wrapped logger is called with for what the last processor has returned."""
    if isinstance(result, tuple):
        args, fields = result
        return tuple(args), dict(fields)
    if isinstance(result, dict):
        return (), result
    return (result,), {}


def _give(
    line: dict[str, Any], method: str, logger: Any, given: AbstractSet[str], taker: Taker
) -> None:
    """Give ``taker`` a line of the app's processors; ``given`` are fields that callers named."""
    frame, module = caller()
    name = getattr(logger, "name", None) or module
    message = next((line.pop(key) for key in _EVENT if key in line and key not in given), None)
    args = line.pop("positional_args", ())
    if args and isinstance(message, str):
        message %= args
    text = line.get("exception")
    if isinstance(text, str) and "exception" not in given:  # format_exc_info has made it
        del line["exception"]
        line["exc_info"] = text
    for key in _ADDED.difference(given):
        line.pop(key, None)
    level = LEVELS.get(method, "INFO")
    taker.take_event(level, name, message, line, (frame.f_code, frame.f_lineno))
