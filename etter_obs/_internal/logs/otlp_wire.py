"""Encode rendered lines as OTLP log records; see ``otlp/wire.py`` for why by hand.

The message is LogRecord of
https://github.com/open-telemetry/opentelemetry-proto, logs/v1/logs.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from etter_obs._internal.conventions import log_fields
from etter_obs._internal.otlp.wire import any_value, attributes, block, resource, utf8, varint

_SEVERITIES: Final = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
"""SeverityNumber of each level of the logging module; 0 (unspecified) for other levels."""
_ENCODED_SEPARATELY: Final = frozenset(
    {
        log_fields.TIMESTAMP,
        log_fields.LEVEL,
        log_fields.MESSAGE,
        log_fields.EXCEPTION,
        log_fields.TRACE_ID,
        log_fields.SPAN_ID,
        log_fields.SERVICE,
        log_fields.ENVIRONMENT,
    }
)
"""Fields with their own place in OTLP; all other fields become attributes."""
_MAX_HEADS: Final = 2048
_TRACE_BYTES: Final = 16
_SPAN_BYTES: Final = 8
_TIMES: Final = struct.Struct("<BQBQ")
_SAMPLED: Final = {True: b"\x45\x01\x00\x00\x00", False: b"\x45\x00\x00\x00\x00"}


class Encoder:
    """Encode records; the common part of the lines of one call is encoded once."""

    def __init__(self) -> None:
        self._heads: dict[int, tuple[bytes, Mapping[str, Any]]] = {}

    def record(
        self, time_ns: int, observed_ns: int, fixed: Mapping[str, Any], fields: Mapping[str, Any]
    ) -> bytes:
        """Return the LogRecord of a rendered line.

        Args:
            time_ns: Unix time of the line in nanoseconds.
            observed_ns: Unix time in nanoseconds at which the line was encoded.
            fixed: The fields that all lines of one call share (the same object each time), or
                empty.
            fields: The other fields.

        Returns:
            The encoded record.
        """
        parts = [_TIMES.pack(0x09, time_ns, 0x59, observed_ns)]
        if fixed:
            known = self._heads.get(id(fixed))
            if known is None:
                if len(self._heads) >= _MAX_HEADS:
                    self._heads.clear()
                # The mapping is kept with its bytes, so that no other mapping gets its id.
                known = self._heads[id(fixed)] = (_encode_body(fixed) + _attributes(fixed), fixed)
            parts.append(known[0])
        else:
            parts.append(_encode_body(fields))
        parts.append(_attributes(fields))
        parts.append(_link(fields))
        return b"".join(parts)


def _link(fields: Mapping[str, Any]) -> bytes:
    """Encode flags and ids if they are valid: a caller may have set ids outside W3C's format."""
    try:
        trace_id = bytes.fromhex(fields[log_fields.TRACE_ID])
        span_id = bytes.fromhex(fields[log_fields.SPAN_ID])
    except (TypeError, ValueError):
        return b""
    if len(trace_id) != _TRACE_BYTES or len(span_id) != _SPAN_BYTES:
        return b""
    flags = _SAMPLED[fields[log_fields.TRACE_SAMPLED] is True]
    return b"%b\x4a\x10%b\x52\x08%b" % (flags, trace_id, span_id)


def _encode_body(fields: Mapping[str, Any]) -> bytes:
    """Encode severity and body."""
    body, stack = fields[log_fields.MESSAGE], fields.get(log_fields.EXCEPTION)
    # A stack may be longer than Loki accepts as structured metadata (64 KB per line).
    text = any_value(f"{body}\n{stack}" if stack else body)
    return _severity(fields[log_fields.LEVEL]) + block(b"\x2a", text)


def _attributes(fields: Mapping[str, Any]) -> bytes:
    pairs = [
        (key, value)
        for key, value in fields.items()
        if value is not None and key not in _ENCODED_SEPARATELY
    ]
    return attributes(b"\x32", pairs)


def request(given: Mapping[str, Any], scope: str, records: Iterable[bytes]) -> bytes:
    """Return the ExportLogsServiceRequest of ``records``.

    Args:
        given: Attributes of the resource.
        scope: Name of the instrumentation scope.
        records: Encoded records.

    Returns:
        The encoded request.
    """
    logs = block(b"\x0a", block(b"\x0a", scope.encode()))
    logs += b"".join([block(b"\x12", one) for one in records])
    return block(b"\x0a", block(b"\x0a", resource(given)) + block(b"\x12", logs))


@lru_cache(maxsize=64)
def _severity(level: str) -> bytes:
    return b"\x10" + varint(_SEVERITIES.get(level, 0)) + block(b"\x1a", utf8(level))
