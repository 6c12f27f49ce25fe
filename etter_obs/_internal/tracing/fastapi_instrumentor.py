"""Keeps one server span per request if OpenTelemetry also instruments the app.

``FastAPIInstrumentor`` and ``opentelemetry-instrument`` add their ASGI middleware to the app's
stack. If etter-obs traces, it replaces their tracer by one that starts no span and returns ours, so
that their hooks and metrics continue. Otherwise they trace, and our log lines contain their ids.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import context, trace
from starlette.types import ASGIApp, Receive, Scope, Send

from etter_obs._internal.context import RequestContext, current_request
from etter_obs._internal.tracing.sampling import Decision

_THEIRS: Final = ("opentelemetry.instrumentation.asgi", "OpenTelemetryMiddleware")
_LOG: Final = logging.getLogger("etter_obs.tracing")


def settle(stack: Any, *, tracing: bool) -> Callable[[], None]:
    """Adapt OpenTelemetry's instrumentation in an app's middleware stack; return the undo.

    Args:
        stack: the outermost middleware; each has the next one as ``app``.
        tracing: whether etter-obs traces.
    """
    theirs = _find(stack)
    if theirs is None:
        return lambda: None
    tracer, app = theirs.tracer, theirs.app
    if tracing:
        theirs.tracer = _SameSpan()
        _LOG.warning(
            "OpenTelemetry's FastAPI instrumentation is active in the app too. etter-obs creates "
            "the server spans; the hooks and metrics of the instrumentation continue. Remove the "
            "instrumentation, or set APM_ENABLED=false to let it trace"
        )
    else:
        theirs.app = _Following(app)

    def undo() -> None:
        theirs.tracer, theirs.app = tracer, app

    return undo


def _find(stack: Any) -> Any:
    seen: set[int] = set()
    while stack is not None and id(stack) not in seen:
        if (type(stack).__module__, type(stack).__name__) == _THEIRS:
            return stack
        seen.add(id(stack))
        stack = getattr(stack, "app", None)
    return None


def span_around() -> Decision | None:
    """Return the ids of a foreign server span that is open here; None without one."""
    span = trace.get_current_span()
    if getattr(span, "kind", None) is not trace.SpanKind.SERVER:
        return None
    return _decision_of(span)


def without_span_of(outer: RequestContext) -> None:
    """Detach the span of the ``outer`` request from the current context."""
    span = trace.get_current_span()
    if trace.format_span_id(span.get_span_context().span_id) == outer.span_id:
        context.attach(trace.set_span_in_context(trace.INVALID_SPAN))


def _decision_of(span: trace.Span) -> Decision | None:
    known = span.get_span_context()
    if not known.is_valid:
        return None
    return Decision(
        trace.format_trace_id(known.trace_id),
        trace.format_span_id(known.span_id),
        known.trace_flags.sampled,
    )


class _Following:
    """Runs inside their middleware: the request adopts the ids of their span."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: RequestContext | None = current_request.get()
        span = trace.get_current_span()
        is_inner = getattr(span, "kind", None) is trace.SpanKind.INTERNAL  # inside a server span
        found = None if request is None or is_inner else _decision_of(span)
        if request is not None and found is not None:
            request.follow(found.trace_id, found.span_id, found.sampled)
        await self.app(scope, receive, send)


class _SameSpan(trace.Tracer):
    """Starts no span: every call returns the current one."""

    def start_span(self, name: str, context: Any = None, *_: Any, **__: Any) -> trace.Span:
        current = trace.get_current_span(context)
        return _Shared(current) if current.is_recording() else current

    @contextmanager
    def _current(self) -> Iterator[trace.Span]:
        yield trace.get_current_span()

    def start_as_current_span(self, *_: Any, **__: Any) -> Any:
        return self._current()


class _Shared(trace.Span):
    """A span that only its owner ends."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    def end(self, end_time: int | None = None) -> None:
        """Do nothing: the owner ends the span."""

    def get_span_context(self) -> trace.SpanContext:
        return self._span.get_span_context()

    def is_recording(self) -> bool:
        return self._span.is_recording()

    def set_attributes(self, attributes: Any) -> None:
        self._span.set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self._span.set_attribute(key, value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self._span.add_event(name, attributes, timestamp)

    def add_link(self, context: Any, attributes: Any = None) -> None:
        self._span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """Do nothing: our span has the route's name."""

    def set_status(self, status: Any, description: str | None = None) -> None:
        self._span.set_status(status, description)

    def record_exception(self, exception: BaseException, *_: Any, **__: Any) -> None:
        """Do nothing: our span records it once."""
