"""JSON of anything: one line, safe to print, never an error."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

import orjson

# JSON lets these stand as they are; a terminal or a line reader takes them for control: delete and
# the C1 controls, the two Unicode line ends, and what turns the direction of writing.
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
    """Tell whether JSON as orjson makes it holds nothing that :func:`encode` would escape."""
    return data.isascii() and b"\x7f" not in data


def encode_value(value: Any) -> bytes:
    """Return ``value`` as JSON in UTF-8."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_encodable(value))


def _encodable(value: Any) -> Any:
    """Return ``value`` with what JSON has no place for spelled out: it is the rare, slow way."""
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
    # Lone surrogates are no Unicode; they come with file names and with JSON from JavaScript.
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
