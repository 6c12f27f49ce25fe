"""The encoding of spans, against OpenTelemetry's own encoder."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState

from etter_obs._internal.tracing.otlp_wire import request

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.one_of(TEXTS, st.booleans(), NUMBERS, st.floats(allow_nan=False), st.binary())
VALUES = st.one_of(SCALARS, st.lists(TEXTS, max_size=3).map(tuple), st.lists(NUMBERS, max_size=3))
ATTRIBUTES = st.dictionaries(TEXTS.filter(bool), VALUES, max_size=5)
NANOSECONDS = st.integers(0, 2**63 - 1)
STATES = st.sampled_from([None, TraceState([("vendor", "1"), ("other", "a=b")])])
CONTEXTS = st.builds(
    lambda trace, span, remote, state: SpanContext(trace, span, remote, trace_state=state),
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    STATES,
)
STATUSES = st.one_of(
    st.sampled_from([Status(), Status(StatusCode.OK)]),
    TEXTS.map(lambda text: Status(StatusCode.ERROR, text)),
)
RESOURCES = [Resource({"service.name": "a"}), Resource({"service.name": "b", "n": 1}, "schema")]
SCOPES = [
    None,
    InstrumentationScope("a"),
    InstrumentationScope("b", "1.0", "https://schema", {"key": "value"}),
]


@st.composite
def spans(draw: st.DrawFn) -> ReadableSpan:
    """Draw a finished span."""
    arguments: dict[str, Any] = {
        "name": draw(TEXTS),
        "context": draw(CONTEXTS),
        "parent": draw(st.none() | CONTEXTS),
        "resource": draw(st.sampled_from(RESOURCES)),
        "attributes": draw(ATTRIBUTES),
        "events": draw(st.lists(st.builds(Event, TEXTS, ATTRIBUTES, NANOSECONDS), max_size=2)),
        "links": draw(st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=2)),
        "kind": draw(st.sampled_from(SpanKind)),
        "status": draw(STATUSES),
        "start_time": draw(NANOSECONDS),
        "end_time": draw(NANOSECONDS),
        "instrumentation_scope": draw(st.sampled_from(SCOPES)),
    }
    return ReadableSpan(**arguments)


@given(st.lists(spans(), max_size=6))
def test_a_receiver_reads_the_spans_that_the_official_encoder_sends(
    given: list[ReadableSpan],
) -> None:
    """Whatever the spans hold, the request parses into the messages of the official encoder."""
    ours = ExportTraceServiceRequest.FromString(request(given))
    official = encode_spans(given)
    for group in official.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                if not span.status.ByteSize():
                    span.ClearField("status")  # an empty message there, and left out here
    assert ours == official
