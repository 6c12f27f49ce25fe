"""The server span of a sampled request, by OpenTelemetry's official ASGI instrumentation.

This module adds what it lacks: our ids, the route as the span's name, the exception that
ServerErrorMiddleware has already turned into a response, and a filter, so that hostile headers that
it cannot decode break the span but not the request.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from opentelemetry import context, propagate, trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.semconv.attributes.http_attributes import HTTP_ROUTE
from opentelemetry.util.http import sanitize_method
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from etter_obs._internal.conventions import OTHER_METHOD, SpanAttribute
from etter_obs._internal.tracing.sampling import Decision
from etter_obs._internal.tracing.semconv import stable_conventions

if TYPE_CHECKING:
    from etter_obs._internal.tracing.ids import PresetIds

Endpoint = Callable[[Scope], str | None]

_CALL: Final = "etter_obs.traced_call"
_READ: Final = frozenset((b"host", b"user-agent", b"content-length"))
"""Request headers that the instrumentation scans for, besides those of the propagator."""


class ServerSpans:
    """Runs sampled requests inside the official instrumentation, which it sets up once.

    Args:
        provider: creates the spans.
        ids: the generator that takes over the decision's ids.
        endpoint: returns a scope's route template.
    """

    def __init__(self, provider: trace.TracerProvider, ids: PresetIds, endpoint: Endpoint) -> None:
        self._ids = ids
        self._shown = _READ | {name.encode() for name in propagate.get_global_textmap().fields}
        self._endpoint = endpoint
        with stable_conventions():
            self._instrumented = OpenTelemetryMiddleware(
                _enter,
                server_request_hook=_label,
                tracer_provider=provider,
                meter_provider=NoOpMeterProvider(),
                exclude_spans=["send", "receive"],
            )

    async def serve(
        self,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        decision: Decision,
        request_id: str,
    ) -> None:
        """Call ``app`` inside a server span; the app receives the same ``scope`` object.

        Args:
            app: the app.
            scope: the request's ASGI scope.
            receive: receives a message from the server.
            send: sends a message to the server.
            decision: the request's ids.
            request_id: the request's id, for the span.
        """
        call = _Call(app, scope, self._endpoint, request_id)
        shown = {**scope, "headers": self._decodable(scope["headers"], decision), _CALL: call}
        if not scope.get("query_string", b"").isascii():
            shown["query_string"] = b""
        token = None
        if trace.get_current_span() is not trace.INVALID_SPAN:
            # A foreign span around the server would make ours an internal one with other ids.
            token = context.attach(trace.set_span_in_context(trace.INVALID_SPAN))
        self._ids.preset(decision)
        try:
            await self._instrumented(shown, receive, send)
        except Exception:
            if call.entered:
                raise
            await app(scope, receive, send)
        else:
            if call.left is not None:
                raise call.left
        finally:
            if token is not None:
                context.detach(token)

    def _decodable(
        self, headers: list[tuple[bytes, bytes]], decision: Decision
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers that the head decision accepted, in decodable form."""
        shown = set(self._shown)
        if self._instrumented.http_capture_headers_server_request:
            shown.update(name for name, _ in headers if name.isascii())
        if decision.context is None:  # else another propagator reads its own headers
            if decision.parent_id is None:
                shown.discard(b"traceparent")
            if decision.tracestate is None:
                shown.discard(b"tracestate")
            if decision.baggage is None:
                shown.discard(b"baggage")
        return [
            (name, value if value.isascii() else value.decode("latin-1").encode())
            for name, value in headers
            if name in shown
        ]


class _Call:
    """The data of one request that the instrumented app needs."""

    __slots__ = ("app", "endpoint", "entered", "left", "request_id", "scope")

    def __init__(self, app: ASGIApp, scope: Scope, endpoint: Endpoint, request_id: str) -> None:
        self.app = app
        self.scope = scope
        self.endpoint = endpoint
        self.request_id = request_id
        self.entered = False
        self.left: Exception | None = None
        """The exception for a WebSocket that the client closed; the span does not record it."""


def _label(span: trace.Span, shown: Scope) -> None:
    span.set_attribute(SpanAttribute.REQUEST_ID, shown[_CALL].request_id)


def span_name(scope: Scope, route: str | None) -> str:
    """Return the name of a server span: method and route, never the path, which is unbounded.

    Source: OpenTelemetry's semantic conventions for HTTP spans, "Name".
    """
    method = scope["method"] if scope["type"] == "http" else "WEBSOCKET"
    if scope["type"] == "http" and sanitize_method(method) == OTHER_METHOD:
        method = "HTTP"
    return f"{method} {route}" if route else method


async def _enter(shown: Scope, receive: Receive, send: Send) -> None:
    """Call the app inside the instrumentation; name the span before it ends."""
    call: _Call = shown[_CALL]
    call.entered = True
    span = trace.get_current_span()
    named = False

    def name_span() -> None:
        nonlocal named
        named = True
        # Routing is complete here.
        try:
            route = call.endpoint(call.scope)
        except Exception:  # noqa: BLE001  # a missing name must not break the request
            route = None
        span.update_name(span_name(call.scope, route))
        if route:
            span.set_attribute(HTTP_ROUTE, route)

    async def observed_send(message: Message) -> None:
        if not named:
            name_span()
            if message.get("status", 0) >= 500:
                # ServerErrorMiddleware answers inside its ``except`` and raises only after the
                # span has ended with the last byte, so the exception is recorded here.
                exception = sys.exception()
                if exception is not None:
                    with suppress(Exception):  # its str() may raise
                        span.record_exception(exception)
        await send(message)

    try:
        await call.app(call.scope, receive, observed_send)
    except WebSocketDisconnect as gone:
        call.left = gone
    finally:
        if not named:
            name_span()
