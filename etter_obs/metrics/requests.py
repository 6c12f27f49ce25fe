"""What is counted for a request: all series of a method, route and status bound together, once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final, NamedTuple

from etter_obs import conventions as names
from etter_obs.conventions import OTHER_METHOD, STATUS_CLIENT_CLOSED, UNMATCHED
from etter_obs.metrics.children import Counter, Histogram
from etter_obs.metrics.registry import MetricsRegistry
from etter_obs.routing import RouteInfo

METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
"""HTTP's methods; any other is counted as ``_OTHER``."""


class _Batch:
    """Observations of one histogram that are not counted yet."""

    __slots__ = ("bounds", "buckets", "sum")

    def __init__(self, child: Histogram) -> None:
        self.bounds = child.bounds
        self.buckets = [0] * (len(child.bounds) + 1)
        self.sum = 0.0

    def collect(self, value: float) -> None:
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def move_to(self, *children: Histogram) -> None:
        if any(self.buckets):
            for child in children:
                child.add(self.buckets, self.sum)
            self.buckets = [0] * len(self.buckets)
            self.sum = 0.0


class RequestSeries:
    """The bound series of one method, route and status.

    ``collect`` takes up a request, ``write`` counts what was collected: the calls and locks of
    ``inc`` and ``observe`` would be most of what a request costs.
    """

    __slots__ = (
        "_at_once",
        "_children",
        "_first_bytes",
        "_requests",
        "_responses",
        "_streamed",
        "waiting",
    )

    def __init__(self, registry: MetricsRegistry, method: str, endpoint: str, status: int) -> None:
        route = (method, endpoint)
        children = self._children = _Children(
            registry.counter(names.REQUESTS).child(*route, str(status)),
            registry.histogram(names.REQUEST_DURATION).child(*route, status_class(status)),
            registry.histogram(names.REQUEST_TTFB).child(*route),
            registry.histogram(names.REQUEST_SIZE).child(*route),
            registry.histogram(names.RESPONSE_SIZE).child(*route),
        )
        self._at_once = _Batch(children.duration)
        self._streamed = _Batch(children.duration)
        self._first_bytes = _Batch(children.first_byte)
        self._requests = _Batch(children.request_size)
        self._responses = _Batch(children.response_size)
        self.waiting = 0
        """Requests that are collected and not written."""

    def collect(
        self, duration: float, first_byte: float, request_size: int, response_size: int
    ) -> None:
        """Take up one request that is over; times in seconds, sizes in bytes.

        ``first_byte`` is 0 for a response that was sent at once, whose first byte is its last.
        """
        self.waiting += 1
        if first_byte:
            self._streamed.collect(duration)
            self._first_bytes.collect(first_byte)
        else:
            batch = self._at_once
            batch.buckets[bisect_left(batch.bounds, duration)] += 1
            batch.sum += duration
        if request_size:
            self._requests.collect(request_size)
        batch = self._responses
        batch.buckets[bisect_left(batch.bounds, response_size)] += 1
        batch.sum += response_size

    def write(self) -> None:
        """Count what was collected."""
        to = self._children
        to.requests.inc(self.waiting)
        self._requests.buckets[0] += self.waiting - sum(self._requests.buckets)
        self.waiting = 0
        self._at_once.move_to(to.duration, to.first_byte)
        self._streamed.move_to(to.duration)
        self._first_bytes.move_to(to.first_byte)
        self._requests.move_to(to.request_size)
        self._responses.move_to(to.response_size)

    def mark(self, duration: float, trace_id: str) -> None:
        """Let the bucket of ``duration`` point to a trace that is kept."""
        self._children.duration.mark(duration, trace_id)


class _Children(NamedTuple):
    """What a request counts in."""

    requests: Counter
    duration: Histogram
    first_byte: Histogram
    request_size: Histogram
    response_size: Histogram


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
