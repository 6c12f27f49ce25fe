"""What is counted for a request: all series of a method, route and status bound together, once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from etter_obs import conventions as names
from etter_obs.conventions import OTHER_METHOD, STATUS_CLIENT_CLOSED, UNMATCHED, Metric
from etter_obs.metrics.children import Histogram
from etter_obs.metrics.registry import MetricsRegistry
from etter_obs.routing import RouteInfo

METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
"""HTTP's methods; any other is counted as ``_OTHER``."""


class _Observations:
    """What a batch of requests adds to one histogram."""

    __slots__ = ("bounds", "buckets", "child", "sum")

    def __init__(self, child: Histogram) -> None:
        self.child = child
        self.bounds = child.bounds
        self.buckets = [0] * (len(child.bounds) + 1)
        self.sum = 0.0

    def write(self) -> None:
        self.child.add(self.buckets, self.sum)
        self.buckets = [0] * len(self.buckets)
        self.sum = 0.0


class RequestSeries:
    """The bound series of one method, route and status.

    ``collect`` gathers a batch's requests, ``write`` counts them: the calls and locks of ``inc``
    and ``observe`` for each would be most of what a request costs.
    """

    __slots__ = ("_count", "_duration", "_first_byte", "_request_size", "_response_size", "waiting")

    def __init__(self, registry: MetricsRegistry, method: str, endpoint: str, status: int) -> None:
        def histogram(metric: Metric, *labels: str) -> _Observations:
            return _Observations(registry.histogram(metric).child(method, endpoint, *labels))

        self._count = registry.counter(names.REQUESTS).child(method, endpoint, str(status))
        self._duration = histogram(names.REQUEST_DURATION, status_class(status))
        self._first_byte = histogram(names.REQUEST_TTFB)
        self._request_size = histogram(names.REQUEST_SIZE)
        self._response_size = histogram(names.RESPONSE_SIZE)
        self.waiting = 0
        """Requests that are collected and not written."""

    def collect(
        self, duration: float, first_byte: float, request_size: int, response_size: int
    ) -> None:
        """Take up one request that is over; times in seconds, sizes in bytes."""
        self.waiting += 1
        into = self._duration
        into.buckets[bisect_left(into.bounds, duration)] += 1
        into.sum += duration
        into = self._first_byte
        into.buckets[bisect_left(into.bounds, first_byte)] += 1
        into.sum += first_byte
        into = self._request_size
        into.buckets[bisect_left(into.bounds, request_size)] += 1
        into.sum += request_size
        into = self._response_size
        into.buckets[bisect_left(into.bounds, response_size)] += 1
        into.sum += response_size

    def write(self) -> None:
        """Count what was collected."""
        self._count.inc(self.waiting)
        self.waiting = 0
        self._duration.write()
        self._first_byte.write()
        self._request_size.write()
        self._response_size.write()

    def mark(self, duration: float, trace_id: str) -> None:
        """Let the bucket of ``duration`` point to a trace that is kept."""
        self._duration.child.mark(duration, trace_id)


class RequestMetrics:
    """Counts requests and WebSocket connections."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._registry = registry
        self._series: dict[tuple[str, str, int], RequestSeries] = {}
        self._exceptions = registry.counter(names.EXCEPTIONS)
        self._active = registry.gauge(names.ACTIVE_REQUESTS).child()
        self._calls = 0
        self.in_flight = 0
        """Requests in flight, counted in the event loop; ``show_active`` makes the gauge follow."""
        self.websockets = registry.gauge(names.WEBSOCKETS_ACTIVE).child()
        self.websocket_duration = registry.histogram(names.WEBSOCKET_DURATION)
        self.websocket_messages = registry.counter(names.WEBSOCKET_MESSAGES)

    def series(self, method: str, endpoint: str, status: int) -> RequestSeries:
        """Return the series of a request that ended with ``status``."""
        series = self._series.get((method, endpoint, status))
        return self._bind(method, endpoint, status) if series is None else series

    def _bind(self, method: str, endpoint: str, status: int) -> RequestSeries:
        known = method in METHODS
        series = RequestSeries(self._registry, method if known else OTHER_METHOD, endpoint, status)
        # The methods and statuses of strangers must not fill the memory.
        if known and len(self._series) < self._registry.series_cap:
            self._series[method, endpoint, status] = series
        return series

    def show_active(self) -> None:
        """Set the gauge of requests in flight."""
        self._active.set(self.in_flight + self._calls)

    @contextmanager
    def calling(self, endpoint: str) -> Iterator[None]:
        """Count a call outside any request as a request: ``POST``, and 200, or 500 if it raises."""
        with self._registry.lock:
            self._calls += 1
        start = perf_counter()
        status = 500
        try:
            yield
            status = 200
        finally:
            with self._registry.lock:
                self._calls -= 1
            self._registry.counter(names.REQUESTS).child("POST", endpoint, str(status)).inc()
            durations = self._registry.histogram(names.REQUEST_DURATION)
            child = durations.child("POST", endpoint, status_class(status))
            child.observe(perf_counter() - start)

    def exception(self, endpoint: str | None, error: BaseException) -> None:
        """Count an exception that left the app."""
        self._exceptions.child(endpoint or UNMATCHED, type(error).__name__).inc()

    def prime(self, routes: list[RouteInfo]) -> None:
        """Create the series of every route's success and of its 500.

        A counter that is born at 1 loses its first event: ``increase()`` needs the 0 before it.
        """
        for route in routes:
            if route.websocket:
                self.websocket_duration.child(route.template)
                self.websocket_messages.child(route.template)
                continue
            for method in sorted(route.methods & METHODS):
                for status in (route.status, 500):
                    self.series(method, route.template, status)


def status_class(status: int) -> str:
    """Return ``2xx`` to ``5xx``, or ``499`` for a client that left."""
    if status == STATUS_CLIENT_CLOSED:
        return str(STATUS_CLIENT_CLOSED)
    return f"{min(max(status // 100, 2), 5)}xx"
