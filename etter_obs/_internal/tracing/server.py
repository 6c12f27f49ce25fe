"""The server span of a sampled request, by the stable semantic conventions for HTTP.

It starts with the request and is current while the app runs; the recorder ends it together with the
metrics and the access line, so that all three agree. OpenTelemetry's ASGI middleware is unsuitable:
it computes metrics that nobody reads, matches the route a second time, and takes five times as
long.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from contextvars import Token
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.semconv.attributes.client_attributes import CLIENT_ADDRESS, CLIENT_PORT
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_REQUEST_METHOD_ORIGINAL,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.network_attributes import NETWORK_PROTOCOL_VERSION
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.semconv.attributes.url_attributes import URL_PATH, URL_QUERY, URL_SCHEME
from opentelemetry.semconv.attributes.user_agent_attributes import USER_AGENT_ORIGINAL
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue
from starlette.types import Scope, Send

from etter_obs._internal.conventions import OTHER_METHOD, SpanAttribute
from etter_obs._internal.metrics.requests import METHODS
from etter_obs._internal.tracing.propagation import (
    CallersSpan,
    UnsampledSpan,
    attach,
    context_of,
)
from etter_obs._internal.tracing.sampling import Decision

if TYPE_CHECKING:
    from etter_obs._internal.tracing.captured_headers import CapturedHeaders
    from etter_obs._internal.tracing.ids import PresetIds

_USER_AGENT: Final = b"user-agent"
_FAILED: Final = Status(StatusCode.ERROR)
_SERVER_ERROR: Final = 500

_log: Final = logging.getLogger("etter_obs.tracing")

Attributes = dict[str, AttributeValue]


class ServerSpans:
    """Starts the spans of sampled requests.

    Args:
        provider: creates the spans.
        ids: the generator that takes over the decision's ids.
        captured: the headers that become attributes; None if there are none.
    """

    def __init__(
        self, provider: trace.TracerProvider, ids: PresetIds, captured: CapturedHeaders | None
    ) -> None:
        self._ids = ids
        self._captured = captured
        self._start = provider.get_tracer("etter_obs").start_span

    def start(
        self, decision: Decision, scope: Scope, request_id: str
    ) -> tuple[trace.Span | None, Token[Context]]:
        """Start the span of a request and make it current, with the caller's baggage.

        Args:
            decision: the request's ids.
            scope: the request's ASGI scope.
            request_id: the request's id, for the span.

        Returns:
            The span, and the token for ``detach()``. The span is None if code that the app
            registered with the SDK raised.
        """
        parent = CallersSpan(decision) if decision.parent_id else trace.INVALID_SPAN
        span: trace.Span | None = None
        self._ids.preset(decision)
        try:
            attributes = request_attributes(scope, request_id)
            if self._captured is not None:
                attributes.update(self._captured.of_request(scope["headers"]))
            span = self._start(
                span_name(scope, None), context_of(decision, parent), SpanKind.SERVER, attributes
            )
        except Exception as error:  # noqa: BLE001  # a hostile scope, or the app's own processor
            _log.warning("The span of a request could not start", exc_info=error)
        return span, attach(decision, span or UnsampledSpan(decision))

    def sender(self, span: trace.Span, send: Send) -> Send:
        """Return ``send``, extended to add the wanted headers of the response to ``span``."""
        return send if self._captured is None else self._captured.sender(span, send)

    def end(
        self,
        span: trace.Span,
        scope: Scope,
        *,
        route: str | None,
        status: int | None,
        exception: BaseException | None,
    ) -> None:
        """End the span of a request.

        Args:
            span: the span.
            scope: the request's ASGI scope.
            route: the route template; None if no route matched.
            status: the HTTP status; None for a WebSocket.
            exception: the exception that ended the request, if any.
        """
        try:
            span.update_name(span_name(scope, route))
            span.set_attributes(outcome_attributes(route, status, exception))
            if exception is not None:
                with suppress(Exception):  # its str() may raise
                    span.record_exception(exception)
            if failed(status, exception):
                span.set_status(_FAILED)
        finally:
            span.end()


def span_name(scope: Scope, route: str | None) -> str:
    """Return the name of a server span: method and route, never the path, which is unbounded.

    Source: OpenTelemetry's semantic conventions for HTTP spans, "Name".
    """
    method = "WEBSOCKET"
    if scope["type"] == "http":
        method = scope["method"] if scope["method"] in METHODS else "HTTP"
    return f"{method} {route}" if route else method


def request_attributes(scope: Scope, request_id: str) -> Attributes:
    """Return what is known of a request before it is served.

    Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server

    Args:
        scope: the request's ASGI scope.
        request_id: the request's id.

    Returns:
        The attributes of its span.
    """
    method = scope.get("method", "GET")
    attributes: Attributes = {
        SpanAttribute.REQUEST_ID: request_id,
        URL_SCHEME: scope.get("scheme", "http"),
        URL_PATH: scope.get("path", ""),
        NETWORK_PROTOCOL_VERSION: scope.get("http_version", "1.1"),
    }
    if method in METHODS:
        attributes[HTTP_REQUEST_METHOD] = method
    else:
        attributes[HTTP_REQUEST_METHOD] = OTHER_METHOD
        attributes[HTTP_REQUEST_METHOD_ORIGINAL] = method
    if query := scope.get("query_string"):
        attributes[URL_QUERY] = query.decode("latin-1")
    server, client = scope.get("server"), scope.get("client")
    if server and server[0]:
        attributes[SERVER_ADDRESS] = server[0]
        if server[1]:  # a Unix socket has none
            attributes[SERVER_PORT] = server[1]
    if client and client[0]:
        attributes[CLIENT_ADDRESS] = client[0]
        if client[1]:
            attributes[CLIENT_PORT] = client[1]
    for name, value in scope["headers"]:
        if name == _USER_AGENT:
            attributes[USER_AGENT_ORIGINAL] = value.decode("latin-1")
            break
    return attributes


def outcome_attributes(
    route: str | None, status: int | None, exception: BaseException | None
) -> Attributes:
    """Return what is known of a request when it has ended.

    Args:
        route: the route template; None if no route matched.
        status: the HTTP status; None for a WebSocket.
        exception: the exception that ended the request, if any.

    Returns:
        The attributes of its span.
    """
    attributes: Attributes = {}
    if route:
        attributes[HTTP_ROUTE] = route
    if status is not None:
        attributes[HTTP_RESPONSE_STATUS_CODE] = status
    if failed(status, exception):
        attributes[ERROR_TYPE] = type_name(exception) if exception else str(status)
    return attributes


def failed(status: int | None, exception: BaseException | None) -> bool:
    """Return whether a server span has the status ERROR: 4xx are the client's errors."""
    return exception is not None or (status is not None and status >= _SERVER_ERROR)


def type_name(exception: BaseException) -> str:
    """Return the qualified name of an exception's type, without the module of built-in ones."""
    kind = type(exception)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
