"""Creates the span of an unsampled request that failed or was slow, after it has ended.

The span has the request's own trace id and its real start and end. An attribute marks it as created
afterwards, because its children (database, cache, outgoing calls) were never recorded.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.attributes.exception_attributes import (
    EXCEPTION_ESCAPED,
    EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
)
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from starlette.types import Scope

from etter_obs._internal.conventions import UNMATCHED, KeptBecause, SpanAttribute
from etter_obs._internal.redaction.plain_values import cut, cut_start
from etter_obs._internal.tracing.propagation import parse_tracestate
from etter_obs._internal.tracing.redaction import LENGTHS
from etter_obs._internal.tracing.sampling import Decision
from etter_obs._internal.tracing.server import (
    failed,
    outcome_attributes,
    request_attributes,
    span_name,
    type_name,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

RATE: Final = 50.0
"""Limit of late spans per second and worker, in the long run."""
BURST: Final = 200.0
"""Limit of late spans at once. Both limits stay far below the size of the span queue."""


class LateSpans:
    """Creates spans for finished requests, at a bounded rate.

    An outage causes thousands of equal failures a second; the first of them are enough.

    Args:
        resource: the resource of the spans.
        emit: accepts a finished span.
        dropped: accepts the reason and the number of spans that were not created.
        clock: returns monotonic seconds.
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
        """Create the span of a finished request.

        Args:
            decision: the request's ids.
            scope: the request's ASGI scope.
            request_id: the request's id.
            endpoint: the route template; None if no route matched.
            start_ns: start, in nanoseconds of Unix time.
            end_ns: end, in nanoseconds of Unix time.
            status: the HTTP status; None for a WebSocket.
            exception: the exception that ended the request, if any.
            reason: why the span is kept.

        Returns:
            False if the rate limit is exceeded; the span then counts as dropped.
        """
        if not self._take():
            self._dropped("late_rate", 1)
            return False
        route = None if endpoint == UNMATCHED else endpoint
        attributes = {
            SpanAttribute.MADE_AFTERWARDS: True,
            SpanAttribute.REASON: reason.value,
            **request_attributes(scope, request_id),
            **outcome_attributes(route, status, exception),
        }
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
                status=Status(StatusCode.ERROR) if failed(status, exception) else Status(),
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


def _message(exception: BaseException) -> str:
    try:
        return cut(str(exception), LENGTHS.taken.other)
    except Exception:  # noqa: BLE001  # a broken exception must not prevent the span
        return "(its text cannot be read)"


def _event(exception: BaseException, at_ns: int) -> Event:
    # The end of a stack shows where the error happened, so a long stack loses its beginning.
    # Redaction comes first; the final cut follows.
    stack = cut_start("".join(traceback.format_exception(exception)), LENGTHS.taken.other)
    return Event(
        "exception",
        {
            EXCEPTION_TYPE: type_name(exception),
            EXCEPTION_MESSAGE: _message(exception),
            EXCEPTION_STACKTRACE: stack,
            EXCEPTION_ESCAPED: "true",
        },
        at_ns,
    )
