"""The span of a request that nobody sampled and that went wrong: made when it is over.

It has the request's own trace id, its real start and end, and says of itself that it was made
afterwards, since its children (database, cache, outgoing calls) were never recorded.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.attributes.client_attributes import CLIENT_ADDRESS
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.exception_attributes import (
    EXCEPTION_ESCAPED,
    EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
)
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.url_attributes import URL_PATH, URL_SCHEME
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.http import sanitize_method
from opentelemetry.util.types import AttributeValue
from starlette.types import Scope

from etter_obs._internal.conventions import UNMATCHED, KeptBecause, SpanAttribute
from etter_obs._internal.redaction.plain_values import cut, cut_start
from etter_obs._internal.tracing.propagation import parse_tracestate
from etter_obs._internal.tracing.redaction import LENGTHS
from etter_obs._internal.tracing.sampling import Decision
from etter_obs._internal.tracing.server import span_name

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

RATE: Final = 50.0
"""Late spans a second, in the long run and for each worker."""
BURST: Final = 200.0
"""How many may come at once. Both stay far under the span queue, which normal spans share."""


class LateSpans:
    """Makes spans for requests that are over, at a bounded rate.

    A storm of failures makes thousands of equal bad events a second; the first of them explain it.

    Args:
        resource: whom the spans are about.
        emit: takes a finished span.
        dropped: takes the reason and the number of spans that were not made.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        resource: Resource,
        emit: Callable[[ReadableSpan], None],
        dropped: Callable[[str, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resource = resource
        self._emit = emit
        self._dropped = dropped
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = BURST
        self._filled = clock()
        self._scope = InstrumentationScope("etter_obs")

    def keep(
        self,
        decision: Decision,
        scope: Scope,
        *,
        request_id: str,
        endpoint: str | None,
        start_ns: int,
        end_ns: int,
        status: int | None,
        exception: BaseException | None,
        reason: KeptBecause,
    ) -> bool:
        """Make the span; False where the rate is exceeded (counted as dropped)."""
        if not self._take():
            self._dropped("late_rate", 1)
            return False
        route = None if endpoint == UNMATCHED else endpoint
        attributes: dict[str, AttributeValue] = {
            SpanAttribute.MADE_AFTERWARDS: True,
            SpanAttribute.REASON: reason.value,
            SpanAttribute.REQUEST_ID: request_id,
            HTTP_REQUEST_METHOD: sanitize_method(scope.get("method", "GET")),
            URL_SCHEME: str(scope.get("scheme", "http")),
            URL_PATH: str(scope.get("path", "")),
        }
        if route:
            attributes[HTTP_ROUTE] = route
        if status is not None:
            attributes[HTTP_RESPONSE_STATUS_CODE] = status
        client = scope.get("client")
        if client and client[0]:
            attributes[CLIENT_ADDRESS] = str(client[0])
        failed = exception is not None or (status is not None and status >= 500)
        if failed:
            attributes[ERROR_TYPE] = _type_name(exception) if exception else str(status)
        trace_id = int(decision.trace_id, 16)
        sampled = TraceFlags(TraceFlags.SAMPLED)
        state = parse_tracestate(decision.tracestate)
        self._emit(
            ReadableSpan(
                name=span_name(scope, route),
                context=SpanContext(trace_id, int(decision.span_id, 16), False, sampled, state),
                parent=SpanContext(trace_id, int(decision.parent_id, 16), True)
                if decision.parent_id
                else None,
                resource=self._resource,
                attributes=attributes,
                events=[_event(exception, end_ns)] if exception else [],
                kind=SpanKind.SERVER,
                status=Status(StatusCode.ERROR) if failed else Status(),
                start_time=start_ns,
                end_time=end_ns,
                instrumentation_scope=self._scope,
            )
        )
        return True

    def _take(self) -> bool:
        with self._lock:
            now = self._clock()
            self._tokens = min(BURST, self._tokens + (now - self._filled) * RATE)
            self._filled = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


def _type_name(exception: BaseException) -> str:
    kind = type(exception)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _message(exception: BaseException) -> str:
    try:
        return cut(str(exception), LENGTHS.taken.other)
    except Exception:  # noqa: BLE001  # also a broken exception is worth its span
        return "(its text cannot be read)"


def _event(exception: BaseException, at_ns: int) -> Event:
    # The end of a stack is where it happened, so a long one loses its beginning; it is cut to what
    # is sent when its secrets are out.
    stack = cut_start("".join(traceback.format_exception(exception)), LENGTHS.taken.other)
    return Event(
        "exception",
        {
            EXCEPTION_TYPE: _type_name(exception),
            EXCEPTION_MESSAGE: _message(exception),
            EXCEPTION_STACKTRACE: stack,
            EXCEPTION_ESCAPED: "true",
        },
        at_ns,
    )
