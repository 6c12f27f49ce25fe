"""Renders the lines that make up nearly all of a log, at a third of the cost.

A call in the code makes the same line again and again, but for its time, its ids and the values of
its fields. What does not change is kept as JSON, and what does is looked at and encoded in one go.
Whatever is not that simple is left to :class:`~etter_obs.logs.render.Renderer`, which gives the
same line for the simple ones.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from etter_obs.logs import fields as names
from etter_obs.logs.encoding import encode, harmless
from etter_obs.logs.patterns import is_sensitive
from etter_obs.logs.record import Entry
from etter_obs.logs.render import HOLDERS, SMALL, Line, Renderer

_Head = tuple[bytes, dict[str, Any], object]

_MAX_KEPT: Final = 2048
_MAX_MESSAGE: Final = 256
# What ids look like that this package or a careful client makes; no rule matches one.
_HEX_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class QuickRenderer:
    """Renders simple entries by itself and hands all others to ``renderer``."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._heads: dict[tuple[object, ...], _Head] = {}
        self._keys: dict[tuple[str, ...], bool] = {}
        self._access_keys: dict[tuple[str, ...], bool] = {}

    def render(self, entry: Entry) -> Line:
        """Return the line of ``entry``."""
        line = self._simple(entry) if entry[8] is None else None
        return self._renderer.render(entry) if line is None else line

    def _simple(self, entry: Entry) -> Line | None:
        time_ns, level, logger, message, site, request, span, fields, _, _ = entry
        # A code object is hashed by its contents, which takes long; the head keeps it alive.
        key = (id(site[0]), site[1], site[-1], level, logger, message)
        head = self._heads.get(key) or self._make_head(key, entry)
        if logger is names.ACCESS:
            known = self._access_keys.get(tuple(fields))
            if not (self._may_hold(fields, access=True) if known is None else known):
                return None
            document = fields
        else:
            known = self._keys.get(tuple(fields))
            if not (self._may_hold(fields, access=False) if known is None else known):
                return None
            if request is None:
                document = {**_NO_IDS, **fields}
            else:
                document = {
                    names.REQUEST_ID: request.request_id,
                    names.TRACE_ID: request.trace_id,
                    names.SPAN_ID: request.span_id,
                    names.SAMPLED: request.sampled,
                    names.METHOD: request.method,
                    names.PATH: request.path,
                    **fields,
                }
            if span is not None:
                document[names.TRACE_ID] = f"{span.trace_id:032x}"
                document[names.SPAN_ID] = f"{span.span_id:016x}"
                document[names.SAMPLED] = span.sampled
        if not head[0] or not self._are_clean(document):
            return None
        try:
            data = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:
            return None
        stamp = self._renderer.timestamp(time_ns)
        data = b'{"timestamp":"%b",%b,%b' % (stamp.encode("ascii"), head[0], data[1:])
        if len(data) > self._renderer.max_bytes or not harmless(data):
            return None
        return data, head[1], document

    def _make_head(self, key: tuple[object, ...], entry: Entry) -> _Head:
        _, level, logger, message, site, *_ = entry
        common = self._renderer.head(level, message, logger, site)
        simple = len(message) <= _MAX_MESSAGE and self._renderer.clean.are([message])
        head = (encode(common)[1:-2] if simple else b"", common, site)
        if len(message) <= _MAX_MESSAGE:
            if len(self._heads) >= _MAX_KEPT:  # messages that hold values are new each time
                self._heads.clear()
            self._heads[key] = head
        return head

    def _may_hold(self, fields: dict[str, Any], *, access: bool) -> bool:
        """Decide once whether fields of these names are simple; remember it."""
        reserved = names.RESERVED.difference(names.IDS) if access else names.RESERVED
        simple = (
            reserved.isdisjoint(fields)
            and (not access or fields.keys() >= set(names.IDS))
            and all(key in names.KNOWN or not is_sensitive(key) for key in fields)
            and self._renderer.clean.are([key for key in fields if key not in names.KNOWN])
        )
        kept = self._access_keys if access else self._keys
        if len(kept) >= _MAX_KEPT:
            kept.clear()
        kept[tuple(fields)] = simple
        return simple

    def _are_clean(self, document: dict[str, Any]) -> bool:
        clean = self._renderer.clean.known
        texts: list[str] = []
        for value in document.values():
            kind = type(value)
            if kind is str:
                if value not in clean and _HEX_ID.fullmatch(value) is None:
                    texts.append(value)
            elif kind in HOLDERS or (kind is int and value > SMALL):
                return False
        return not texts or self._renderer.clean.are(texts)


_NO_IDS: Final = dict.fromkeys(names.IDS)
