"""What is written down about a request that is over: metrics, a span where it matters, a log line.

Requests that went well are written down a few at a time, some milliseconds later: between two
requests the processor's caches are full of the app, and one by one the same work takes three times
as long. What failed or was slow is written down at once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from etter_obs.context import RequestContext
from etter_obs.conventions import UNMATCHED, KeptBecause, LogField
from etter_obs.metrics.requests import RequestMetrics, RequestSeries
from etter_obs.routing import RouteTable, Scope
from etter_obs.tracing import Tracing

if TYPE_CHECKING:
    from etter_obs.exchange import Exchange

_BATCH: Final = 64
_DELAY_SECONDS: Final = 0.02
_NOT_FOUND: Final = 404

# Plain strings: a member of a StrEnum hashes and renders more slowly.
_REQUEST_ID: Final = LogField.REQUEST_ID.value
_TRACE_ID: Final = LogField.TRACE_ID.value
_SPAN_ID: Final = LogField.SPAN_ID.value
_SAMPLED: Final = LogField.TRACE_SAMPLED.value
_METHOD: Final = LogField.METHOD.value
_ENDPOINT: Final = LogField.ENDPOINT.value
_PATH: Final = LogField.PATH.value
_STATUS: Final = LogField.STATUS_CODE.value
_DURATION: Final = LogField.DURATION_MS.value
_CLIENT: Final = LogField.CLIENT_IP.value
_ERROR: Final = LogField.ERROR_TYPE.value

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Writes requests down.

    Args:
        table: the app's routes.
        requests: the request metrics.
        tracing: makes the span of an unsampled request that went wrong.
        access: takes the fields of an access line and its time (Unix time in nanoseconds).
        logs_all: whether requests that did not fail have an access line.
        finish_queries: looks at the database statements of a request.
        client: tells the client's address.
        slow: the tightest latency target of the spec, in seconds.
        streaming: routes that have no latency target.
    """

    table: RouteTable
    requests: RequestMetrics
    tracing: Tracing
    access: Callable[[dict[str, Any], int], None]
    logs_all: bool
    finish_queries: Callable[[RequestContext], None]
    client: Callable[[Scope], str | None]
    slow: float
    streaming: Collection[str]
    is_due: bool = False
    """Whether a flush is scheduled."""
    _waiting: deque[Exchange] = field(default_factory=deque)
    # Re-entrant: writing down may log, and a garbage collection's or a signal's handler scrape.
    _writing: threading.RLock = field(default_factory=threading.RLock)

    def add(self, exchange: Exchange) -> None:
        """Write a finished request down, now or soon."""
        self.requests.in_flight -= 1
        waiting = self._waiting
        waiting.append(exchange)
        if exchange.status >= 500 or exchange.duration > self.slow or exchange.context.queries:
            self.flush()  # its log lines want the request to be the current one
        elif len(waiting) >= _BATCH:
            self.flush()
        elif not self.is_due:
            self.schedule()

    def flush(self) -> None:
        """Write down what waits. It may be called in any thread."""
        waiting = self._waiting
        touched: list[RequestSeries] = []
        with self._writing:
            while waiting:
                try:
                    self._record(waiting.popleft(), touched)
                except Exception:  # noqa: BLE001  # the response is fine whatever is wrong here
                    _log.warning("A request could not be recorded", exc_info=True)
            for series in touched:
                series.write()
            self.requests.show_active()

    def schedule(self) -> None:
        """Flush in some milliseconds."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another kind of loop
            self.flush()
            return
        self.is_due = True
        loop.call_later(_DELAY_SECONDS, self._on_time)

    def _on_time(self) -> None:
        self.is_due = False
        self.flush()

    def endpoint(self, scope: Scope, status: int) -> str | None:
        """Return the route template of a request, None where no route is meant."""
        route = self.table.endpoint(scope)
        if route is None and status != _NOT_FOUND:
            # A middleware answered: a broken one must not hide its errors among the unmatched.
            route = self.table.search(scope)
        return route

    def _record(self, exchange: Exchange, touched: list[RequestSeries]) -> None:
        context, scope = exchange.context, exchange.scope
        status, duration = exchange.status, exchange.duration
        route = self.endpoint(scope, status)
        endpoint = context.endpoint if context.endpoint and route else route
        context.endpoint = endpoint = endpoint or UNMATCHED
        kept = context.sampled or self._keep(exchange, endpoint)
        series = self.requests.series(context.method, endpoint, status)
        if not series.waiting:
            touched.append(series)
        series.collect(
            duration, exchange.first_byte or duration, exchange.bytes_in, exchange.bytes_out
        )
        if kept:
            series.mark(duration, context.trace_id)
        if context.queries:
            self.finish_queries(context)
        if self.logs_all or status >= 500:
            fields = {
                _REQUEST_ID: context.request_id,
                _TRACE_ID: context.trace_id,
                _SPAN_ID: context.span_id,
                _SAMPLED: kept,
                _METHOD: context.method,
                _ENDPOINT: endpoint,
                _PATH: context.path,
                _STATUS: status,
                _DURATION: round(duration * 1000, 3),
                _CLIENT: self.client(scope),
            }
            if exchange.error is not None:
                fields[_ERROR] = type(exchange.error).__name__
            ago = perf_counter() - exchange.start - duration
            self.access(fields, time.time_ns() - int(ago * 1e9))

    def _keep(self, exchange: Exchange, endpoint: str) -> bool:
        """Leave a span of an unsampled request that went wrong; tell whether there is one."""
        if exchange.status >= 500:
            reason = KeptBecause.ERROR
        elif exchange.duration > self.slow and endpoint not in self.streaming:
            reason = KeptBecause.LATENCY
        else:
            return False
        end = time.time_ns()
        return self.tracing.keep(
            exchange.decision,
            exchange.scope,
            request_id=exchange.context.request_id,
            endpoint=endpoint,
            start_ns=end - int(exchange.duration * 1e9),
            end_ns=end,
            status=exchange.status,
            exception=exchange.error,
            reason=reason,
        )
