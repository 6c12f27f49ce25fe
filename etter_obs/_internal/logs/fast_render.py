"""Render the most common lines of a log at a third of the cost.

A logging call produces the same line again and again, except for its time, its ids and the values
of its fields. The constant part is kept as JSON; the variable part is checked and encoded in one
step. All other lines go to ``Renderer``, which produces the same line for the simple ones.
"""

from __future__ import annotations

from typing import Any, Final

from orjson import OPT_APPEND_NEWLINE, dumps

from etter_obs._internal.context import RequestContext
from etter_obs._internal.conventions import log_fields
from etter_obs._internal.logs import fields as names
from etter_obs._internal.logs.encoding import encode, is_printable_ascii
from etter_obs._internal.logs.record import Entry, SpanIds
from etter_obs._internal.logs.render import CONTAINERS, Line, Renderer
from etter_obs._internal.redaction.redactor import HARMLESS, NUMBERS

_Head = tuple[bytes, dict[str, Any], object]

_MAX_KEPT: Final = 2048
_MAX_MESSAGE: Final = 256
_MIN_ID: Final = 20

# Kinds of fields by their names. Some names are ids, which are correct only outside a request; some
# names are of secrets or equal a field of ours.
_PLAIN: Final = 1
_WITH_IDS: Final = 2
_OTHER: Final = 3

_LINE: Final = b'{"timestamp":"%b.%06dZ",%b,%b'
_NO_IDS: Final = dict.fromkeys(names.IDS)
_RESERVED: Final = names.RESERVED.difference(names.IDS)


class FastRenderer:
    """Render simple entries, and pass all others to ``renderer``."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._heads: dict[tuple[object, ...], _Head] = {}
        self._second = -1
        self._stamp = b""
        self._kinds: dict[tuple[str, ...], int] = {}

    def render(self, entry: Entry) -> Line:
        """Return the line of ``entry``."""
        is_simple = entry[8] is None and not self._renderer.redactor.has_pattern
        line = self._simple(entry) if is_simple else None
        return self._renderer.render(entry) if line is None else line

    def _simple(self, entry: Entry) -> Line | None:
        time_ns, level, logger, message, site, request, span, fields, _, _ = entry
        # Hashing a code object reads its contents, which is slow; the head keeps the object alive.
        key = (id(site[0]), site[1], site[-1], level, logger, message)
        head = self._heads.get(key) or self._make_head(key, entry)
        kind = self._kinds.get(tuple(fields)) or self._kind_of(fields)
        if request is None and span is None and kind != _OTHER:
            document = {**_NO_IDS, **fields}
        elif kind == _PLAIN:
            document = _with_ids(request, span, fields)
        else:
            return None
        if not head[0] or not self._are_clean(fields, request):
            return None
        try:
            data = dumps(document, option=OPT_APPEND_NEWLINE)
        except TypeError:
            return None
        second, rest = divmod(time_ns, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._stamp = self._renderer.timestamp(time_ns)[:-8].encode("ascii")
        data = _LINE % (self._stamp, rest // 1000, head[0], data[1:])
        if len(data) > self._renderer.max_bytes or not is_printable_ascii(data):
            return None
        return data, head[1], document

    def _are_clean(self, fields: dict[str, Any], request: RequestContext | None) -> bool:
        clean = self._renderer.clean.known
        texts: list[str] = []
        for value in fields.values():
            kind = type(value)
            if kind is str:
                if value not in clean and not _is_id(value):
                    texts.append(value)
            elif kind in CONTAINERS or (kind in NUMBERS and not -HARMLESS <= value <= HARMLESS):
                return False
        if request is not None:
            if not _is_id(request.request_id):
                texts.append(request.request_id)
            if request.path not in clean or request.method not in clean:
                texts += (request.path, request.method)
        return not texts or self._renderer.clean.are(texts)

    def _make_head(self, key: tuple[object, ...], entry: Entry) -> _Head:
        _, level, logger, message, site, *_ = entry
        common = self._renderer.head(level, message, logger, site)
        simple = len(message) <= _MAX_MESSAGE and self._renderer.clean.are([message])
        head = (encode(common)[1:-2] if simple else b"", common, site)
        if len(message) <= _MAX_MESSAGE:
            if len(self._heads) >= _MAX_KEPT:  # messages that contain values are new each time
                self._heads.clear()
            self._heads[key] = head
        return head

    def _kind_of(self, fields: dict[str, Any]) -> int:
        """Return the kind of fields with these names; each set of names is decided once."""
        own = [key for key in fields if key not in names.KNOWN]
        if (
            not _RESERVED.isdisjoint(fields)
            or any(self._renderer.redactor.names.know(key) for key in own)
            or not self._renderer.clean.are(own)
        ):
            kind = _OTHER
        else:
            kind = _PLAIN if fields.keys().isdisjoint(names.IDS) else _WITH_IDS
        if len(self._kinds) >= _MAX_KEPT:
            self._kinds.clear()
        self._kinds[tuple(fields)] = kind
        return kind


def _is_id(text: str) -> bool:
    """Return whether ``text`` looks like an id of this package, which no rule matches.

    The rules require a capital letter, a character that is neither letter nor digit, or a number of
    at most 19 digits.
    """
    return len(text) >= _MIN_ID and text.isalnum() and text.islower()


def _with_ids(
    request: RequestContext | None, span: SpanIds | None, fields: dict[str, Any]
) -> dict[str, Any]:
    if request is None:
        document = {**_NO_IDS, **fields}
    else:
        document = {
            log_fields.REQUEST_ID: request.request_id,
            log_fields.TRACE_ID: request.trace_id,
            log_fields.SPAN_ID: request.span_id,
            log_fields.TRACE_SAMPLED: request.sampled,
            log_fields.METHOD: request.method,
            log_fields.PATH: request.path,
            **fields,
        }
    if span is not None:
        document[log_fields.TRACE_ID] = f"{span.trace_id:032x}"
        document[log_fields.SPAN_ID] = f"{span.span_id:016x}"
        document[log_fields.TRACE_SAMPLED] = span.sampled
    return document
