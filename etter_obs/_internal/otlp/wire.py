"""Encode the parts that all OTLP messages share as protobuf by hand.

OpenTelemetry's own encoders build an object for every field, from the interpreter that serves
requests, and take ten times as long. The format is stable:
https://github.com/open-telemetry/opentelemetry-proto, common/v1/common.proto and
resource/v1/resource.proto. The tests parse the encoded messages with the generated classes.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

_SHORT: Final = 256
_64_BITS: Final = 2**64 - 1
_DOUBLE: Final = struct.Struct("<Bd")
_BYTES: Final = [bytes([number]) for number in range(0x80)]


def block(tag: bytes, payload: bytes) -> bytes:
    """Return a length-delimited field: ``tag`` is its number and wire type."""
    return tag + varint(len(payload)) + payload


def utf8(text: str) -> bytes:
    """Return the text in UTF-8, with lone surrogates as escapes."""
    return text.encode("utf-8", "backslashreplace")


def varint(number: int) -> bytes:
    """Return an unsigned number of at most 64 bits."""
    if number < 0x80:
        return _BYTES[number]
    digits = bytearray()
    while number >= 0x80:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def attributes(tag: bytes, pairs: Iterable[tuple[str, Any]]) -> bytes:
    """Return the pairs as fields ``tag`` of type KeyValue.

    Args:
        tag: The number and wire type of the field.
        pairs: Names and values; a value that OTLP has no type for becomes text.

    Returns:
        The encoded fields.
    """
    parts = []
    for key, value in pairs:
        kind = type(value)
        if kind is str and len(value) < _SHORT:
            text = utf8(value)
            parts.append(_key(tag, key, len(text)) + text)
        elif kind is bool or kind is int:
            parts.append(_remembered(tag, key, value))
        else:
            parts.append(block(tag, _pair(key, value)))
    return b"".join(parts)


def resource(given: Mapping[str, Any]) -> bytes:
    """Return a Resource with these attributes."""
    return attributes(b"\x0a", given.items())


def any_value(value: Any) -> bytes:
    """Return an AnyValue; values that OTLP has no type for become text, as in JSON."""
    if isinstance(value, str):
        return block(b"\x0a", utf8(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return b"\x18" + varint(value & _64_BITS)
    if isinstance(value, float):
        return _DOUBLE.pack(0x21, value)
    if isinstance(value, Mapping):
        pairs = [block(b"\x0a", _pair(str(key), item)) for key, item in value.items()]
        return block(b"\x32", b"".join(pairs))
    if isinstance(value, list | tuple):
        return block(b"\x2a", b"".join([block(b"\x0a", any_value(item)) for item in value]))
    if isinstance(value, bytes):
        return block(b"\x3a", value)
    if value is None:
        return b""
    if isinstance(value, dt.date | dt.time):
        return block(b"\x0a", utf8(value.isoformat()))
    return block(b"\x0a", utf8(hex(value) if isinstance(value, int) else str(value)))


@lru_cache(maxsize=8192)
def _key(tag: bytes, key: str, size: int) -> bytes:
    """Return a text attribute without its text, which is ``size`` bytes long."""
    whole = block(tag, _pair(key, "x" * size))
    return whole[:-size] if size else whole


@lru_cache(maxsize=4096, typed=True)
def _remembered(tag: bytes, key: str, value: Any) -> bytes:
    """Encode attributes that repeat: status codes, flags, ports."""
    return block(tag, _pair(key, value))


def _pair(key: str, value: Any) -> bytes:
    return block(b"\x0a", utf8(key)) + block(b"\x12", any_value(value))
