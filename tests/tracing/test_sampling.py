"""The head decision: the official one for the same trace, whatever the headers hold."""

from __future__ import annotations

import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from etter_obs._internal.tracing.sampling import HeadSampler, official_sampler

SAMPLERS = st.sampled_from(
    [
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ]
)
HEX = "0123456789abcdef"
NEARLY = st.builds(
    "-".join,
    st.tuples(
        st.sampled_from(["00", "01", "ff", "0", "0A", "cc"]),
        st.text(HEX, min_size=31, max_size=33) | st.just("0" * 32),
        st.text(HEX, min_size=16, max_size=16) | st.just("0" * 16),
        st.text(HEX + "g", min_size=2, max_size=2),
    ),
)
TRACEPARENTS = st.one_of(
    NEARLY,
    NEARLY.map(lambda text: text + "-more"),
    NEARLY.map(lambda text: f" \t{text} "),
    st.text(),
)


class Complaints(logging.Handler):
    """Notes what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note one line."""
        self.texts.append(record.getMessage())


def officially(traceparent: str) -> trace.SpanContext:
    """Return what OpenTelemetry's propagator takes from the header."""
    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    return trace.get_current_span(context).get_span_context()


@given(TRACEPARENTS, SAMPLERS, st.floats(0, 1))
@example(f"00-{'a' * 32}-{'b' * 16}-01", "parentbased_traceidratio", 0.0)
@example(f"ff-{'a' * 32}-{'b' * 16}-01", "parentbased_traceidratio", 0.0)
@example(f"00-{'0' * 32}-{'b' * 16}-01", "parentbased_traceidratio", 0.0)
@example(f"00-{'a' * 32}-{'0' * 16}-01", "parentbased_traceidratio", 0.0)
@example(f"00-{'a' * 32}-{'b' * 16}-01-more", "parentbased_traceidratio", 0.0)
@example(f"cc-{'a' * 32}-{'b' * 16}-01-more", "traceidratio", 0.5)
def test_takes_the_parent_and_the_decision_that_the_official_code_takes(
    traceparent: str, sampler: str, ratio: float
) -> None:
    """A traceparent is followed exactly where the official code follows it, with its decision."""
    parent = officially(traceparent)
    decision = HeadSampler(sampler, ratio).decide([(b"traceparent", traceparent.encode())])
    if parent.is_valid and "\n" not in traceparent:
        assert decision.trace_id == trace.format_trace_id(parent.trace_id)
        assert decision.parent_id == trace.format_span_id(parent.span_id)
    if not parent.is_valid:
        assert decision.parent_id is None
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    trace_id = int(decision.trace_id, 16)
    official = official_sampler(sampler, ratio).should_sample(context, trace_id, "name")
    if parent.is_valid == (decision.parent_id is not None):
        assert decision.sampled == (official.decision is Decision.RECORD_AND_SAMPLE)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"traceparent", b"tracestate", b"baggage", b"x"]), st.binary())
    )
)
def test_decides_whatever_the_headers_hold(headers: list[tuple[bytes, bytes]]) -> None:
    """No bytes in any header keep a request from getting valid ids."""
    decision = HeadSampler("parentbased_traceidratio", 0.5).decide(headers)
    assert len(decision.trace_id) == 32
    assert int(decision.trace_id, 16) > 0
    assert len(decision.span_id) == 16
    assert int(decision.span_id, 16) > 0


def test_two_traceparents_are_none() -> None:
    """Two traceparent headers name no caller, so the trace begins here."""
    headers = [(b"traceparent", f"00-{c * 32}-{c * 16}-01".encode()) for c in "ab"]
    decision = HeadSampler("parentbased_always_off", 0.0).decide(headers)
    assert decision.parent_id is None
    assert decision.trace_id not in {"a" * 32, "b" * 32}
    assert decision.sampled is False


@pytest.mark.parametrize("ratio", [0.1, 0.5])
def test_keeps_the_share_that_was_asked_for(ratio: float) -> None:
    """Of many traces without a parent, the wanted share is kept."""
    decide = HeadSampler("parentbased_traceidratio", ratio).decide
    kept = sum(decide([]).sampled for _ in range(20_000))
    # Six standard deviations: one failure in 500 million runs.
    assert abs(kept - 20_000 * ratio) < 6 * (20_000 * ratio * (1 - ratio)) ** 0.5


@given(st.binary(max_size=300) | st.text('a=b;, %"é', max_size=50).map(str.encode))
@example(b"tenant=7,plan=gold;secret=1")
@example(b"tenant=7;")
@example(b"tenant=7; a b")
@example(b"a=b" + b",a=b" * 3000)
@example(b"a= " + b" " * 8000)
def test_only_baggage_that_official_code_reads_without_complaint_is_followed(header: bytes) -> None:
    """A baggage header that would make OpenTelemetry log warnings is left out as a whole."""
    decision = HeadSampler("always_off", 0.0).decide([(b"baggage", header)])
    if decision.baggage is None:
        return
    stranger = logging.getLogger("opentelemetry.baggage.propagation")
    handler = Complaints()
    stranger.addHandler(handler)
    W3CBaggagePropagator().extract({"baggage": header.decode()})
    stranger.removeHandler(handler)
    assert handler.texts == []


@pytest.mark.parametrize("header", [b"tenant=7;secret=1;shared", b"a = b ; c = d ; e,f="])
def test_baggage_with_properties_is_followed(header: bytes) -> None:
    """What W3C lets a member say of itself, as a pair or a word alone, is no reason to drop it."""
    assert HeadSampler("always_off", 0.0).decide([(b"baggage", header)]).baggage == header
