"""Convert values that callers log into plain values that another thread can read later.

The conversion runs on the caller's thread: when the writer renders the line, a container may have
changed and a lazy object may have lost its session. Values that are already plain and immutable
pass unchanged.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import uuid
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, Final

PLAIN: Final = frozenset({int, float, bool, type(None), dt.datetime, dt.date, dt.time, uuid.UUID})
"""Immutable types that the renderer knows. Strings are plain too if they are short enough."""

_MAX_DEPTH: Final = 6
_MAX_ITEMS: Final = 128
_MAX_CHARACTER_BYTES: Final = 4
"""Maximum bytes of a character in UTF-8."""
_CUT: Final = "…"
_BETWEEN_WORDS: Final = " \n\t,;&|\"'(){}[]<>"


def cut(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of ``text``, cut at the end of a word if possible.

    A word cut in two could be half a secret, which no pattern recognises.
    """
    if len(text) <= limit:
        return text
    head = text[: max(0, limit - len(_CUT))]
    end = max(head.rfind(mark) for mark in _BETWEEN_WORDS)
    return (head[: end + 1].rstrip() if end > 0 else head) + _CUT


def cut_start(text: str, limit: int) -> str:
    """Return at most the last ``limit`` characters, from the start of a line or a word."""
    if len(text) <= limit:
        return text
    end = text[len(text) - limit :]
    line = end.find("\n", 0, limit - 1)
    start = line if line >= 0 else end.find(" ")
    return end[start + 1 :]


def plain(value: Any, limit: int, depth: int = _MAX_DEPTH) -> Any:
    """Return ``value`` as strings, numbers, dictionaries and lists of limited depth and size.

    Never raises: an object without a readable value is replaced by the name of its type.

    Args:
        value: Any object.
        limit: Maximum characters of a text.
        depth: Maximum levels of nesting.

    Returns:
        The plain value.
    """
    kind = type(value)
    if kind is str:
        return value if len(value) <= limit else cut(value, limit)
    if kind in PLAIN:
        return value
    try:
        return _plain(value, limit, depth)
    except Exception:  # noqa: BLE001  # __repr__ or __iter__ of the caller may raise anything
        return f"<{kind.__name__} without a readable value>"


def plain_fields(fields: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return ``fields`` with plain values and string keys; the same object if all are plain."""
    for key, value in fields.items():
        kind = type(value)
        if type(key) is not str or (len(value) > limit if kind is str else kind not in PLAIN):
            return {
                key if type(key) is str else str(key): plain(value, limit)
                for key, value in fields.items()
            }
    return fields


def _plain(value: Any, limit: int, depth: int) -> Any:
    if isinstance(value, enum.Enum):
        return plain(value.value, limit, depth)
    if isinstance(value, str | decimal.Decimal | pathlib.PurePath):
        return cut(str(value), limit)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        head = bytes(value[: _MAX_CHARACTER_BYTES * (limit + 1)])  # enough for `cut`
        return cut(head.decode("utf-8", "backslashreplace"), limit)
    if depth == 0:
        return _CUT
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):  # a named tuple
        value = value._asdict()
    if isinstance(value, Mapping):
        return _plain_mapping(value, limit, depth - 1)
    if isinstance(value, list | tuple | AbstractSet):
        return _plain_items(value, len(value), limit, depth - 1)
    return cut(repr(value), limit)


def _plain_mapping(value: Mapping[Any, Any], limit: int, depth: int) -> dict[str, Any]:
    result = {
        cut(str(key), 256): plain(item, limit, depth)
        for key, item in islice(value.items(), _MAX_ITEMS)
    }
    if len(value) > _MAX_ITEMS:
        result[_CUT] = len(value) - _MAX_ITEMS
    return result


def _plain_items(value: Iterable[Any], count: int, limit: int, depth: int) -> list[Any]:
    result = [plain(item, limit, depth) for item in islice(value, _MAX_ITEMS)]
    if count > _MAX_ITEMS:
        result.append(f"{_CUT} {count - _MAX_ITEMS} more")
    return result
