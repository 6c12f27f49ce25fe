"""The trace context of a request that is not sampled: cheap to make, complete when somebody asks.

Outgoing calls must carry it (``traceparent`` with flags 00, ``tracestate``, ``baggage``), so it is
attached to OpenTelemetry's context as a span that records nothing; its parts are built when a
propagator reads them, which most requests never do.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from typing import Final, cast

from opentelemetry import context, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace.span import TraceState

from etter_obs._internal.context import current_request
from etter_obs._internal.tracing.sampling import Decision, Headers, HeadSampler

_RANDOM_ID: Final = 0x02
"""Flag of W3C trace context level 2: the trace id is random, so others may sample by its bits."""
_W3C: Final = frozenset(("traceparent", "tracestate", "baggage"))
_BAGGAGE: Final = W3CBaggagePropagator()
_SPAN_KEY: Final = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
"""Where the current span stands in a context: OpenTelemetry keeps the key to itself."""


class UnsampledSpan(trace.NonRecordingSpan):
    """Stands for the request's span in the context; nobody records it."""

    __slots__ = ("_built", "_decision")

    def __init__(self, decision: Decision) -> None:
        # super().__init__ would want the SpanContext that this class exists to postpone.
        self._decision = decision
        self._built: trace.SpanContext | None = None

    def get_span_context(self) -> trace.SpanContext:
        """Return the ids with flags 00 and the caller's tracestate."""
        if self._built is None:
            decision = self._decision
            flags = (decision.parent_flags if decision.parent_id else _RANDOM_ID) & _RANDOM_ID
            self._built = trace.SpanContext(
                int(decision.trace_id, 16),
                int(decision.span_id, 16),
                is_remote=False,
                trace_flags=trace.TraceFlags(flags),
                trace_state=parse_tracestate(decision.tracestate),
            )
        return self._built


class CallersSpan(UnsampledSpan):
    """Where this service traces nothing, what it calls continues the caller's trace untouched.

    It stands for a decision that has a ``parent_id``.
    """

    __slots__ = ()

    def get_span_context(self) -> trace.SpanContext:
        """Return the caller's own context, its flags included."""
        if self._built is None:
            decision = self._decision
            self._built = trace.SpanContext(
                int(decision.trace_id, 16),
                int(cast("str", decision.parent_id), 16),
                is_remote=True,
                trace_flags=trace.TraceFlags(decision.parent_flags),
                trace_state=parse_tracestate(decision.tracestate),
            )
        return self._built


def parse_tracestate(header: bytes | None) -> TraceState | None:
    """Return the tracestate, or None where there is none."""
    return None if header is None else TraceState.from_header([header.decode("latin-1")])


def attach(decision: Decision, span: trace.Span | None) -> Token[Context]:
    """Make the request's baggage current, and ``span`` where there is one.

    Give the token back to :func:`detach`.
    """
    if span is None:
        current = context.get_current() if decision.context is None else decision.context
    elif decision.context is None and not context.get_current():
        current = Context({_SPAN_KEY: span})  # a server's task begins with nothing in it
    else:
        current = trace.set_span_in_context(span, decision.context)
    if decision.baggage is not None:
        current = _BAGGAGE.extract({"baggage": decision.baggage.decode("latin-1")}, current)
    return context.attach(current)


def detach(token: Token[Context]) -> None:
    """Restore what was current before :func:`attach`."""
    context.detach(token)


def carriers() -> frozenset[bytes]:
    """Return the headers without which a request brings no trace and no baggage."""
    return frozenset(name.lower().encode() for name in _W3C | propagate.get_global_textmap().fields)


def decider(sampler: HeadSampler) -> Callable[[Headers], Decision]:
    """Return what decides on a request's headers: by W3C's, or as the global propagator reads them.

    Somebody who has set another propagator (B3, Jaeger, a vendor's) gets its trace ids, at the cost
    of its own reading of every request.
    """
    if propagate.get_global_textmap().fields <= _W3C:
        return sampler.decide

    def decide(headers: Headers) -> Decision:
        carrier: dict[str, list[str]] = {}
        for name, value in headers:
            carrier.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        found = propagate.extract(carrier, context.get_current())
        parent = trace.get_current_span(found).get_span_context()
        if not parent.is_valid:
            decision = sampler.begin()
        else:
            decision = sampler.follow(
                trace.format_trace_id(parent.trace_id),
                trace.format_span_id(parent.span_id),
                parent.trace_flags,
            )
            decision.tracestate = parent.trace_state.to_header().encode() or None
        decision.context = found
        return decision

    return decide


def in_unsampled_request() -> bool:
    """Tell whether a request is being served whose trace is not kept: no instrumentation then."""
    request = current_request.get()
    return request is not None and not request.sampled
