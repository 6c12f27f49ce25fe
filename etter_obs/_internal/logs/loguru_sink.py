"""Capture the lines of loguru, if the app uses loguru.

A sink of this package takes the lines inside the logging call, so they belong to their request.
Sinks that write to the console are silenced; files and other sinks are unchanged.
``logger.remove()``, the usual first step of a loguru configuration, does not remove this sink.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from etter_obs._internal.logs import stdlib
from etter_obs._internal.logs.consoles import is_console
from etter_obs._internal.logs.record import Site
from etter_obs._internal.logs.taps import takers
from etter_obs._internal.logs.wrapped_method import WrappedMethod

_LOG: Final = logging.getLogger("etter_obs.logs")


class _Sink:
    """The sink, which takes each message once."""

    def __init__(self) -> None:
        self.number: int | None = None
        """Loguru's id of this sink while it is added."""
        self.threshold = 0

    def add(self, logger: Any, threshold: int) -> None:
        """Add the sink to ``logger`` from ``threshold`` up, unless it is added already."""
        if self.number is not None and self.threshold != threshold:
            logger.remove(self.number)
        if self.number is None:
            self.threshold = threshold
            # The text is not used, so it is not rendered.
            self.number = logger.add(
                self, level=threshold, format=_no_text, colorize=False, backtrace=False
            )

    def write(self, message: Any) -> None:
        """Take a message."""
        record = message.record
        taker = takers[-1:]
        if not taker or stdlib.is_handled_here(record["message"]):
            return
        fields = dict(record["extra"])
        if record["exception"] is not None:
            fields["exc_info"] = tuple(record["exception"])
        site = Site(record["file"].path, record["function"], record["line"])
        level, logger = record["level"].name, record["name"] or "?"
        taker[0].take_event(level, logger, record["message"], fields, site)

    def stop(self) -> None:
        """Record that loguru has removed the sink."""
        self.number = None


_sink: Final = _Sink()
_wrapped: Final[list[WrappedMethod]] = []


def attach() -> None:
    """Take lines at the current level, if loguru is imported."""
    if "loguru" not in sys.modules or not takers:
        return
    try:
        from loguru import _simple_sinks, logger

        if not _wrapped:
            _wrapped.extend(
                (
                    WrappedMethod(_simple_sinks.StreamSink, "write", _around_write),
                    WrappedMethod(_simple_sinks.CallableSink, "write", _around_write),
                    WrappedMethod(type(logger), "remove", _around_remove),
                )
            )
        for method in _wrapped:
            method.put()
        _sink.add(logger, takers[-1].threshold)
    except Exception as error:  # noqa: BLE001  # another version of loguru
        _LOG.warning("Lines of loguru are not captured: %s: %s", type(error).__name__, error)


def detach() -> None:
    """Stop taking lines."""
    for method in _wrapped:
        method.remove()
    if _sink.number is not None:
        from loguru import logger

        with suppress(ValueError):
            logger.remove(_sink.number)


def _no_text(record: object) -> str:
    return ""


def _around_write(original: Callable[..., None]) -> Callable[..., None]:
    def write(sink: Any, message: Any) -> None:
        target = getattr(sink, "_stream", None) or getattr(sink, "_function", None)
        if takers and (
            target is print or is_console(target) or is_console(getattr(target, "__self__", None))
        ):
            return
        original(sink, message)

    return write


def _around_remove(original: Callable[..., None]) -> Callable[..., None]:
    def remove(logger: Any, handler_id: int | None = None) -> None:
        original(logger, handler_id)
        attach()

    return remove
