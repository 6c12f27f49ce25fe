"""Records a finished request: metrics, a log line, and a span if the request failed or was slow.

The recorder counts requests in batches, a few milliseconds later, and before each scrape. One by
one, with the processor's caches full of the app's data, the same work costs three times as much.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import Scope

from etter_obs._internal.context import RequestContext
from etter_obs._internal.conventions import UNMATCHED, KeptBecause
from etter_obs._internal.conventions.log_fields import (
    CLIENT_IP,
    DURATION_MS,
    ENDPOINT,
    ERROR_TYPE,
    METHOD,
    PATH,
    REQUEST_ID,
    SPAN_ID,
    STATUS_CODE,
    TRACE_ID,
    TRACE_SAMPLED,
)
from etter_obs._internal.metrics.requests import RequestMetrics, Seen
from etter_obs._internal.requests.exchange import Exchange
from etter_obs._internal.requests.routing import RouteTable
from etter_obs._internal.tracing import Tracing

_BATCH_DELAY: Final = 0.05
_MAX_PENDING: Final = 4_096
_NOT_FOUND: Final = 404
_NOT_ALLOWED: Final = 405
_SERVER_ERROR: Final = 500

_log = logging.getLogger("etter_obs.requests")


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Records finished requests.

    Args:
        table: the app's routes.
        requests: the request metrics.
        tracing: creates the span of an unsampled request that failed or was slow.
        access: accepts the fields of an access line.
        logs_all: whether requests that did not fail get an access line.
        finish_queries: evaluates the database statements of a request.
        client: returns the client's address.
        report: accepts exceptions that leave the app.
        slow: the tightest latency target of the spec, in seconds.
        streaming: routes without a latency target.
    """

    table: RouteTable
    requests: RequestMetrics
    tracing: Tracing
    access: Callable[[dict[str, Any]], None]
    logs_all: bool
    finish_queries: Callable[[RequestContext], None]
    client: Callable[[Scope], str | None]
    report: Callable[[BaseException, RequestContext], None]
    slow: float
    streaming: Collection[str]
    in_flight: int = 0
    """Requests in flight, counted in the event loop; each flush sets the gauge."""
    is_due: bool = False
    """Whether a flush is scheduled."""
    _waiting: deque[Seen] = field(default_factory=deque)
    # Re-entrant, because a signal handler may scrape while this thread counts.
    _counting: threading.RLock = field(default_factory=threading.RLock)

    def add(self, exchange: Exchange) -> None:
        """Record a finished request; a failure here never affects the response."""
        self.in_flight -= 1
        try:
            self._record(exchange)
        except Exception:  # noqa: BLE001
            _log.warning("A request could not be recorded", exc_info=True)
        if not self.is_due:
            self.schedule()
        elif len(self._waiting) > _MAX_PENDING:
            self.flush()  # the loop that holds the timer is closed

    def flush(self) -> None:
        """Count the queued requests; any thread may call this."""
        self.is_due = False
        waiting = self._waiting
        alike: defaultdict[tuple[str, str, int], list[Seen]] = defaultdict(list)
        with self._counting:
            while waiting:
                seen = waiting.popleft()
                alike[seen[:3]].append(seen)
            for key, several in alike.items():
                try:
                    self.requests.series(*key).count(several)
                except Exception:  # noqa: BLE001  # a failed count must not affect the app
                    _log.warning("Requests could not be counted", exc_info=True)
            self.requests.show_active(self.in_flight)

    def schedule(self) -> None:
        """Schedule a flush in a few milliseconds."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # not an asyncio loop
            self.flush()
            return
        self.is_due = True
        loop.call_later(_BATCH_DELAY, self.flush)

    def _record(self, exchange: Exchange) -> None:
        scope = exchange.scope
        status, duration = exchange.status, exchange.duration
        route = self.table.endpoint(scope)
        if route is None and status != _NOT_FOUND:
            # A middleware answered; its errors must count for the route, not as unmatched.
            route = self.table.search(scope)
        if _NOT_FOUND <= status <= _NOT_ALLOWED and route in self.table.files:
            route = None
        endpoint = exchange.endpoint if exchange.endpoint and route else route
        exchange.endpoint = endpoint = endpoint or UNMATCHED
        if exchange.span is not None:
            self.tracing.end(
                exchange.span, scope, route=route, status=status, exception=exchange.error
            )
        kept = exchange.sampled or (
            (status >= _SERVER_ERROR or duration > self.slow) and self._keep(exchange, endpoint)
        )
        self._waiting.append(
            (
                exchange.method,
                endpoint,
                status,
                duration,
                exchange.first_byte or duration,
                exchange.bytes_in,
                exchange.bytes_out,
            )
        )
        if kept:
            series = self.requests.series(exchange.method, endpoint, status)
            series.mark(duration, exchange.trace_id)
        if exchange.queries:
            self.finish_queries(exchange)
        if self.logs_all or status >= _SERVER_ERROR:
            fields = {
                REQUEST_ID: exchange.request_id,
                TRACE_ID: exchange.trace_id,
                SPAN_ID: exchange.span_id,
                TRACE_SAMPLED: kept,
                METHOD: exchange.method,
                ENDPOINT: endpoint,
                PATH: exchange.path,
                STATUS_CODE: status,
                DURATION_MS: round(duration * 1000, 3),
                CLIENT_IP: self.client(scope),
            }
            if exchange.error is not None:
                fields[ERROR_TYPE] = type(exchange.error).__name__
            self.access({**exchange.bound, **fields} if exchange.bound else fields)

    def _keep(self, exchange: Exchange, endpoint: str) -> bool:
        """Create a span for an unsampled failed or slow request; return whether it exists."""
        reason = KeptBecause.ERROR if exchange.status >= _SERVER_ERROR else KeptBecause.LATENCY
        if reason is KeptBecause.LATENCY and endpoint in self.streaming:
            return False
        end = time.time_ns()
        return self.tracing.keep(
            exchange.decision,
            exchange.scope,
            request_id=exchange.request_id,
            endpoint=endpoint,
            start_ns=end - int(exchange.duration * 1e9),
            end_ns=end,
            status=exchange.status,
            exception=exchange.error,
            reason=reason,
        )
