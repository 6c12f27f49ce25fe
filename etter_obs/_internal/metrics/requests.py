"""Count requests: all series of a method, route and status are bound together, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Final, NamedTuple

from etter_obs._internal import conventions as names
from etter_obs._internal.conventions import OTHER_METHOD, STATUS_CLIENT_CLOSED, UNMATCHED
from etter_obs._internal.metrics.children import Counter, Histogram
from etter_obs._internal.metrics.registry import MetricsRegistry

METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
"""HTTP's methods; any other is counted as ``_OTHER``."""
_MAX_METHODS: Final = 3
"""Maximum methods of a route that serves each of them; a route with more forwards requests."""


Seen = tuple[str, str, int, float, float, int, int]
"""Method, endpoint, status; duration and time to first byte (s); request and response size (bytes).

The first byte of a response that is sent at once is its last. It is one flat tuple: three would be
three objects for the garbage collector for every request.
"""


class RouteInfo(NamedTuple):
    """One route of the app. ``template`` is its complete path as written, including mounts."""

    template: str
    methods: frozenset[str]
    status: int
    websocket: bool


class Needs(NamedTuple):
    """The series that rules read of a route, which must exist at 0 before the first event.

    ``failures`` are the statuses of bad requests, as far as they are known.
    """

    requests: bool
    failures: frozenset[int]
    durations: bool
    websockets: bool


class RequestSeries:
    """The bound series of one method, route and status.

    Args:
        registry: The registry of the app.
        method: The HTTP method, or ``_OTHER``.
        endpoint: The route's template.
        status: The HTTP status.
    """

    __slots__ = ("_children",)

    def __init__(self, registry: MetricsRegistry, method: str, endpoint: str, status: int) -> None:
        route = (method, endpoint)
        self._children = _Children(
            registry.counter(names.REQUESTS).child(*route, str(status)),
            registry.histogram(names.REQUEST_DURATION).child(*route, status_class(status)),
            registry.histogram(names.REQUEST_TTFB).child(*route),
            registry.histogram(names.REQUEST_SIZE).child(*route),
            registry.histogram(names.RESPONSE_SIZE).child(*route),
        )

    def count(self, several: Sequence[Seen]) -> None:
        """Count requests that ended alike, in one step: a call per request would cost the most."""
        _, _, _, durations, first_bytes, request_sizes, response_sizes = zip(*several, strict=True)
        to = self._children
        to.requests.inc(len(several))
        to.duration.observe_all(durations)
        to.first_byte.observe_all(first_bytes)
        to.request_size.observe_all(request_sizes)
        to.response_size.observe_all(response_sizes)

    def mark(self, duration: float, trace_id: str) -> None:
        """Make a kept trace the exemplar of the bucket of ``duration``."""
        self._children.duration.mark(duration, trace_id)


class _Children(NamedTuple):
    """The series in which a request counts."""

    requests: Counter
    duration: Histogram
    first_byte: Histogram
    request_size: Histogram
    response_size: Histogram


class RequestMetrics:
    """Count requests and WebSocket connections."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._registry = registry
        self._series: dict[tuple[str, str, int], RequestSeries] = {}
        self._exceptions = registry.counter(names.EXCEPTIONS)
        self._active = registry.gauge(names.ACTIVE_REQUESTS).child()
        self._calls = 0
        self.websockets = registry.gauge(names.WEBSOCKETS_ACTIVE).child()
        self.websocket_duration = registry.histogram(names.WEBSOCKET_DURATION)
        self.websocket_messages = registry.counter(names.WEBSOCKET_MESSAGES)

    def series(self, method: str, endpoint: str, status: int) -> RequestSeries:
        """Return the series of a request that ended with ``status``.

        Args:
            method: The HTTP method.
            endpoint: The route's template.
            status: The HTTP status.

        Returns:
            The series; bound only once for known methods.
        """
        series = self._series.get((method, endpoint, status))
        return self._bind(method, endpoint, status) if series is None else series

    def _bind(self, method: str, endpoint: str, status: int) -> RequestSeries:
        known = method in METHODS
        series = RequestSeries(self._registry, method if known else OTHER_METHOD, endpoint, status)
        # Methods and statuses that outside clients choose must not fill the memory.
        if known and len(self._series) < self._registry.series_cap:
            self._series[method, endpoint, status] = series
        return series

    def show_active(self, in_flight: int) -> None:
        """Set the gauge of requests in flight."""
        self._active.set(in_flight + self._calls)

    @contextmanager
    def calling(self, endpoint: str) -> Iterator[None]:
        """Count a call outside a request as a request: ``POST`` and 200, or 500 if it raises."""
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
        """Count an unhandled exception of the app."""
        self._exceptions.child(endpoint or UNMATCHED, type(error).__name__).inc()

    def prime(self, routes: list[RouteInfo], needs: Callable[[str], Needs]) -> None:
        """Create the series that rules require of each route; ``needs`` takes its template.

        A counter that starts at 1 loses its first event: ``increase()`` requires the 0 before it. A
        route of many methods forwards requests, and which methods arrive is unknown: its
        histograms, of a dozen series each, start with the first request.
        """
        requests = self._registry.counter(names.REQUESTS)
        durations = self._registry.histogram(names.REQUEST_DURATION)
        for route in routes:
            self._registry.few.add(route.template)
            need = needs(route.template)
            if route.websocket:
                if need.websockets:
                    self.websocket_duration.prime(route.template)
                continue
            methods = sorted(route.methods & METHODS)
            for method in methods:
                for status in {route.status, *need.failures} if need.requests else ():
                    requests.prime(method, route.template, str(status))
                if need.durations and len(methods) <= _MAX_METHODS:
                    durations.prime(method, route.template, status_class(route.status))


def status_class(status: int) -> str:
    """Return ``2xx`` to ``5xx``, or ``499`` for a client that left."""
    if status == STATUS_CLIENT_CLOSED:
        return str(STATUS_CLIENT_CLOSED)
    return f"{min(max(status // 100, 2), 5)}xx"
