"""Headers that become span attributes, as OpenTelemetry's environment variables ask.

Source: https://opentelemetry.io/docs/zero-code/python/configuration/, "Capture HTTP request and
response headers".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.util.http import (
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE,
    SanitizeValue,
    get_custom_headers,
    normalise_request_header_name,
    normalise_response_header_name,
)
from starlette.types import Message, Send

from etter_obs._internal.tracing.sampling import Headers


class CapturedHeaders:
    """Reads the wanted headers of requests and responses.

    Args:
        request: patterns of names of request headers.
        response: patterns of names of response headers.
        hidden: patterns of names whose values are hidden.
    """

    def __init__(self, request: list[str], response: list[str], hidden: list[str]) -> None:
        self._request, self._response = request, response
        self._sanitizer = SanitizeValue(hidden)

    @classmethod
    def from_environment(cls) -> CapturedHeaders | None:
        """Return what the variables ask for; None if they name no header."""
        request = get_custom_headers(OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST)
        response = get_custom_headers(OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE)
        hidden = get_custom_headers(OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS)
        return cls(request, response, hidden) if request or response else None

    def of_request(self, headers: Headers) -> dict[str, list[str]]:
        """Return the attributes for the headers of a request."""
        return self._attributes(headers, self._request, normalise_request_header_name)

    def sender(self, span: trace.Span, send: Send) -> Send:
        """Return ``send`` extended to add the headers of the response to ``span``."""

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = message.get("headers") or ()
                found = self._attributes(sent, self._response, normalise_response_header_name)
                span.set_attributes(found)
            await send(message)

        return observed

    def _attributes(
        self, headers: Headers, patterns: list[str], key_of: Callable[[str], str]
    ) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in headers:
            found[name.decode("latin-1")].append(value.decode("latin-1"))
        return self._sanitizer.sanitize_header_values(found, patterns, key_of)
