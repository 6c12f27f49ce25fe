"""What a caller leaves in the queue for the writer: one tuple a line, cheap to make."""

from __future__ import annotations

import sys
import traceback
from types import CodeType, TracebackType
from typing import Any, NamedTuple

from etter_obs._internal.context import RequestContext
from etter_obs._internal.redaction.plain_values import cut, plain

_MAX_FRAMES = 64
"""Innermost frames kept of a stack: a runaway recursion has a thousand that say the same."""
_MAX_NAMED = 32
"""Exceptions kept of a chain or a group, and notes of one."""
_TEXTS = ("_str", "msg", "text")
"""Where a ``TracebackException`` keeps what was said; the last two where it is a SyntaxError."""


class SpanIds(NamedTuple):
    """Ids of a span that is open outside a request, as OpenTelemetry keeps them."""

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

Time (Unix, nanoseconds), level, logger, message, site (or code object and line), the request it
belongs to, the span where that is not the request's own, the caller's fields, the exception (its
text where that was made elsewhere), and whether the line is local: kept out of OTLP because
it tells of the export itself.

A plain tuple, since one is made for every line on the thread that serves the request; it holds no
frame, no exception and no object of the caller's that may change.
"""


def exception_of(info: object, limit: int) -> traceback.TracebackException | str | None:
    """Return what is to be shown of an ``exc_info`` as the logging module takes it.

    ``info`` may be an exception, a triple, true (the one being handled) or false; a text is the
    traceback itself. Source lines are
    looked up later, on the writer's thread; the frames and their locals are let go at once. What
    an exception and those that it names say takes at most ``limit`` characters together.
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
    """Cut the texts to ``left`` characters in all, and let go of whom too many stand before."""
    kept = [shown]
    for each in kept:  # it grows meanwhile
        texts = vars(each)
        for name in _TEXTS:
            if isinstance(texts.get(name), str):
                texts[name] = cut(texts[name], left)
                left = max(0, left - len(texts[name]))
        notes = texts["__notes__"] if isinstance(texts["__notes__"], list) else []
        # A new list: the other one is the exception's own.
        texts["__notes__"] = [cut(str(plain(note, left)), left) for note in notes[:_MAX_NAMED]]
        left = max(0, left - sum(map(len, texts["__notes__"])))
        if len(kept) >= _MAX_NAMED:
            each.__cause__ = each.__context__ = None
            each.exceptions = None
        if each.exceptions is not None:
            del each.exceptions[_MAX_NAMED:]
        kept += filter(None, (each.__cause__, each.__context__, *(each.exceptions or ())))
