"""Encode any object as JSON: one line, safe to print, never an error."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

import orjson

# JSON permits these characters, but a terminal or a line reader interprets them: delete and the C1
# controls, the two Unicode line ends, and the marks of writing direction.
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def encode(document: dict[str, Any]) -> bytes:
    """Return ``document`` as one line of JSON in UTF-8 with its newline."""
    try:
        data = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        data = orjson.dumps(_encodable(document), option=orjson.OPT_APPEND_NEWLINE)
    if not is_printable_ascii(data):
        text = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", data.decode("utf-8"))
        data = text.encode("utf-8")
    return data


def is_printable_ascii(data: bytes) -> bool:
    """Return whether JSON from orjson contains nothing that ``encode`` would escape."""
    return data.isascii() and b"\x7f" not in data


def encode_value(value: Any) -> bytes:
    """Return ``value`` as JSON in UTF-8."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_encodable(value))


def _encodable(value: Any) -> Any:
    """Return ``value`` with everything that JSON cannot represent spelled out (rare and slow)."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, dict):
        return {_encodable(str(key)): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else hex(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    # Lone surrogates are not valid Unicode; file names and JSON from JavaScript may have them.
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
