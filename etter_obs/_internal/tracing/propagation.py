"""The trace context of an unsampled request, built only when a propagator reads it.

Outgoing calls must carry the context (``traceparent`` with flags 00, ``tracestate``, ``baggage``),
so OpenTelemetry's context holds a span that records nothing. Most requests never read its parts.
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
"""Flag of W3C trace context level 2: the trace id is random, so its bits may decide sampling."""
_W3C: Final = frozenset(("traceparent", "tracestate", "baggage"))
_BAGGAGE: Final = W3CBaggagePropagator()
_SPAN_KEY: Final = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
"""The key of the current span in a context, which OpenTelemetry does not export."""


class UnsampledSpan(trace.NonRecordingSpan):
    """Represents the request's span in the context without recording it."""

    __slots__ = ("_built", "_decision")

    def __init__(self, decision: Decision) -> None:
        # super().__init__ requires the SpanContext that this class builds lazily.
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
    """Continues the caller's trace unchanged in a service that does not trace.

    The decision must have a ``parent_id``.
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
    """Return the tracestate; None without one."""
    return None if header is None else TraceState.from_header([header.decode("latin-1")])


def attach(decision: Decision, span: trace.Span | None) -> Token[Context]:
    """Make the request's baggage current, and ``span`` if given.

    Pass the returned token to ``detach()``.
    """
    return context.attach(context_of(decision, span))


def context_of(decision: Decision, span: trace.Span | None) -> Context:
    """Return the current context with the request's baggage, and with ``span`` if given."""
    if span is None:
        current = context.get_current() if decision.context is None else decision.context
    elif decision.context is None and not context.get_current():
        current = Context({_SPAN_KEY: span})  # a server's task begins with an empty context
    else:
        current = trace.set_span_in_context(span, decision.context)
    if decision.baggage is not None:
        current = _BAGGAGE.extract({"baggage": decision.baggage.decode("latin-1")}, current)
    return current


def detach(token: Token[Context]) -> None:
    """Restore the context from before ``attach()``."""
    context.detach(token)


def carriers() -> frozenset[bytes]:
    """Return the names of the headers that may carry a trace or baggage."""
    return frozenset(name.lower().encode() for name in _W3C | propagate.get_global_textmap().fields)


def decider(sampler: HeadSampler) -> Callable[[Headers], Decision]:
    """Return a function that decides from a request's headers, in W3C's or the propagator's format.

    If the global propagator is another (B3, Jaeger, a vendor's), the trace ids are its ids, and it
    reads the headers of every request, which is slower.
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
    """Return whether the current request is unsampled, so that instrumentation is skipped."""
    request = current_request.get()
    return request is not None and not request.sampled
