"""Encode finished spans as an OTLP request; see ``otlp/wire.py`` for why by hand.

The messages are those of https://github.com/open-telemetry/opentelemetry-proto,
trace/v1/trace.proto. The tests compare them with those of OpenTelemetry's own encoder.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from etter_obs._internal.otlp.resource import INSTANCE_ID, id_now
from etter_obs._internal.otlp.wire import attributes, block, resource, utf8, varint

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, Status, TraceState

_TIMES: Final = struct.Struct("<BQBQ")
_TIME: Final = struct.Struct("<BQ")
# SpanFlags: whether the parent is remote is known; whether it is. Little-endian, as fixed32.
_FLAGS: Final = {False: b"\x00\x01\x00\x00", True: b"\x00\x03\x00\x00"}


def request(spans: Sequence[ReadableSpan]) -> bytes:
    """Return the ExportTraceServiceRequest of ``spans``."""
    resources: dict[int, tuple[Resource, dict[int, list[ReadableSpan]]]] = {}
    for span in spans:
        _, scopes = resources.setdefault(id(span.resource), (span.resource, {}))
        scopes.setdefault(id(span.instrumentation_scope), []).append(span)
    return b"".join([block(b"\x0a", _of_resource(*found)) for found in resources.values()])


def _of_resource(given: Resource, scopes: dict[int, list[ReadableSpan]]) -> bytes:
    shown = dict(given.attributes)
    if INSTANCE_ID in shown:
        shown[INSTANCE_ID] = id_now(str(shown[INSTANCE_ID]))
    parts = [block(b"\x0a", resource(shown))]
    parts += [block(b"\x12", _of_scope(spans)) for spans in scopes.values()]
    if given.schema_url:
        parts.append(block(b"\x1a", utf8(given.schema_url)))
    return b"".join(parts)


def _of_scope(spans: list[ReadableSpan]) -> bytes:
    scope = spans[0].instrumentation_scope
    parts = [block(b"\x0a", _scope(scope) if scope else b"")]
    parts += [block(b"\x12", _span(span)) for span in spans]
    if scope and scope.schema_url:
        parts.append(block(b"\x1a", utf8(scope.schema_url)))
    return b"".join(parts)


def _scope(scope: InstrumentationScope) -> bytes:
    version = block(b"\x12", utf8(scope.version)) if scope.version else b""
    more = attributes(b"\x1a", (scope.attributes or {}).items())
    return block(b"\x0a", utf8(scope.name)) + version + more


def _span(span: ReadableSpan) -> bytes:
    context, parent = span.context, span.parent
    parts = [] if context is None else [_ids(context)]
    if context is not None and context.trace_state:
        parts.append(block(b"\x1a", _state(context.trace_state)))
    if parent is not None:
        parts.append(b"\x22\x08" + parent.span_id.to_bytes(8))
    parts += [
        _name(span.name),
        b"\x30" + varint(span.kind.value + 1),  # OTLP has 0 for an unspecified kind
        _TIMES.pack(0x39, span.start_time or 0, 0x41, span.end_time or 0),
        # A copy takes one step; iterating over what the SDK returns takes a lock for each item.
        attributes(b"\x4a", span.attributes.copy().items() if span.attributes else ()),  # type: ignore[attr-defined]
        _count(b"\x50", span.dropped_attributes),
    ]
    if span.events:
        parts += [block(b"\x5a", _event(event)) for event in span.events]
    parts.append(_count(b"\x60", span.dropped_events))
    if span.links:
        parts += [block(b"\x6a", _link(link)) for link in span.links]
    parts.append(_count(b"\x70", span.dropped_links))
    if not span.status.is_unset:
        parts.append(block(b"\x7a", _status(span.status)))
    parts.append(b"\x85\x01" + _FLAGS[parent is not None and parent.is_remote])
    return b"".join(parts)


def _ids(context: SpanContext) -> bytes:
    return b"\x0a\x10%b\x12\x08%b" % (context.trace_id.to_bytes(16), context.span_id.to_bytes(8))


def _state(state: TraceState) -> bytes:
    return utf8(",".join([f"{key}={value}" for key, value in state.items()]))


@lru_cache(maxsize=1024)
def _name(name: str) -> bytes:
    return block(b"\x2a", utf8(name))


def _count(tag: bytes, number: int) -> bytes:
    return tag + varint(number) if number else b""


def _event(event: Event) -> bytes:
    return b"".join(
        (
            _TIME.pack(0x09, event.timestamp),
            block(b"\x12", utf8(event.name)),
            attributes(b"\x1a", (event.attributes or {}).items()),
            _count(b"\x20", event.dropped_attributes),
        )
    )


def _link(link: Link) -> bytes:
    return b"".join(
        (
            _ids(link.context),
            attributes(b"\x22", (link.attributes or {}).items()),
            _count(b"\x28", link.dropped_attributes),
            b"\x35" + _FLAGS[link.context.is_remote],
        )
    )


def _status(status: Status) -> bytes:
    message = block(b"\x12", utf8(status.description)) if status.description else b""
    return message + b"\x18" + varint(status.status_code.value)
