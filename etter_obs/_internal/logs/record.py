"""The entries that callers queue for the writer: one tuple per line, cheap to create."""

from __future__ import annotations

import sys
import traceback
from types import CodeType, TracebackType
from typing import Any, NamedTuple

from etter_obs._internal.context import RequestContext
from etter_obs._internal.redaction.plain_values import cut, plain

_MAX_FRAMES = 64
"""Innermost frames kept of a stack: runaway recursion has a thousand identical ones."""
_MAX_NAMED = 32
"""Maximum exceptions kept of a chain or a group, and notes kept of one exception."""
_TEXTS = ("_str", "msg", "text")
"""Attributes of a ``TracebackException`` with its texts; the last two exist for a SyntaxError."""


class SpanIds(NamedTuple):
    """Ids of a span that is open outside a request, as OpenTelemetry stores them."""

    trace_id: int
    span_id: int
    sampled: bool


class Site(NamedTuple):
    """Where a line was logged; ``filename`` is a path, ``function`` a name, ``line`` a number."""

    filename: str
    function: str
    line: int


Entry = tuple[
    int,
    str,
    str,
    str,
    Site | tuple[CodeType, int],
    RequestContext | None,
    SpanIds | None,
    dict[str, Any],
    traceback.TracebackException | str | None,
    bool,
]
"""One line before it is rendered.

The items are: time (Unix, nanoseconds), level, logger, message, site (or code object and line), the
request it belongs to, the span if it is not the span of the request, the caller's fields, the
exception (or its text if another process rendered it), and whether the line is local: kept out of
OTLP because it reports on the export itself.

It is a plain tuple, because the thread that serves the request creates one for every line. It holds
no frame, no exception and no mutable object of the caller.
"""


def exception_of(info: object, limit: int) -> traceback.TracebackException | str | None:
    """Return the printable part of an ``exc_info`` of the logging module.

    The frames and their locals are released at once. The writer's thread reads the source lines
    later.

    Args:
        info: An exception, a triple, true (the exception being handled) or false; a text is the
            traceback itself.
        limit: Maximum characters in all texts of the exception and of those it refers to.

    Returns:
        The exception for rendering, or None.
    """
    if isinstance(info, str):
        return cut(info, limit) or None
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    elif not isinstance(info, tuple):
        info = sys.exc_info() if info else (None, None, None)
    kind, value, trace = info if len(info) == 3 else (None, None, None)
    if not isinstance(value, BaseException) or kind is None:
        return None
    trace = trace if isinstance(trace, TracebackType) else None
    shown = traceback.TracebackException(
        type(value), value, trace, lookup_lines=False, compact=True, limit=-_MAX_FRAMES
    )
    _shorten(shown, limit)
    return shown


def _shorten(shown: traceback.TracebackException, left: int) -> None:
    """Cut the texts to ``left`` characters in total, and drop exceptions beyond the limit."""
    kept = [shown]
    for each in kept:  # the loop appends to the list
        texts = vars(each)
        for name in _TEXTS:
            if isinstance(texts.get(name), str):
                texts[name] = cut(texts[name], left)
                left = max(0, left - len(texts[name]))
        notes = texts["__notes__"] if isinstance(texts["__notes__"], list) else []
        # A new list, because the other one belongs to the exception.
        texts["__notes__"] = [cut(str(plain(note, left)), left) for note in notes[:_MAX_NAMED]]
        left = max(0, left - sum(map(len, texts["__notes__"])))
        if len(kept) >= _MAX_NAMED:
            each.__cause__ = each.__context__ = None
            each.exceptions = None
        if each.exceptions is not None:
            del each.exceptions[_MAX_NAMED:]
        kept += filter(None, (each.__cause__, each.__context__, *(each.exceptions or ())))
