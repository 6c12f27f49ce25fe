"""What is counted for a request: all series of a method, route and status bound together, once."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from etter_obs import conventions as names
from etter_obs.conventions import OTHER_METHOD, STATUS_CLIENT_CLOSED, UNMATCHED
from etter_obs.metrics.registry import MetricsRegistry
from etter_obs.routing import RouteInfo

METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
"""HTTP's methods; any other is counted as ``_OTHER``."""


class RequestSeries:
    """The bound series of one method, route and status.

    ``record`` does what ``inc`` and ``observe`` of each would do, in one go: six calls and as many
    locks would be most of what a request costs.
    """

    __slots__ = (
        "_bytes",
        "_count",
        "_duration",
        "_first_byte",
        "_request_size",
        "_response_size",
        "_seconds",
    )

    def __init__(self, registry: MetricsRegistry, method: str, endpoint: str, status: int) -> None:
        class_ = status_class(status)
        self._count = registry.counter(names.REQUESTS).child(method, endpoint, str(status))
        self._duration = registry.histogram(names.REQUEST_DURATION).child(method, endpoint, class_)
        self._first_byte = registry.histogram(names.REQUEST_TTFB).child(method, endpoint)
        self._request_size = registry.histogram(names.REQUEST_SIZE).child(method, endpoint)
        self._response_size = registry.histogram(names.RESPONSE_SIZE).child(method, endpoint)
        self._seconds = self._duration.bounds
        self._bytes = self._request_size.bounds

    @property
    def overflows(self) -> bool:
        """Whether a cap is reached: then the uses of the overflow series must be counted."""
        children = (self._count, self._duration, self._first_byte, self._request_size)
        return any(hasattr(child, "dropped") for child in (*children, self._response_size))

    def record(
        self,
        duration: float,
        first_byte: float,
        request_size: int,
        response_size: int,
        exemplar: str | None,
    ) -> None:
        """Count one request that is over; times in seconds, sizes in bytes."""
        seconds, sizes = self._seconds, self._bytes
        bucket = bisect_left(seconds, duration)
        count = self._count
        with count.lock:
            count.cells[0] += 1.0
            cells = self._duration.cells
            cells[bucket] += 1.0
            cells[len(seconds) + 1] += duration
            if exemplar is not None:
                self._duration.mark(bucket, duration, exemplar)
            cells = self._first_byte.cells
            bounds = self._first_byte.bounds
            cells[bisect_left(bounds, first_byte)] += 1.0
            cells[len(bounds) + 1] += first_byte
            total = len(sizes) + 1
            cells = self._request_size.cells
            cells[bisect_left(sizes, request_size)] += 1.0
            cells[total] += request_size
            cells = self._response_size.cells
            cells[bisect_left(sizes, response_size)] += 1.0
            cells[total] += response_size


class OverflowSeries(RequestSeries):
    """Series of which at least one is the overflow series, that counts its uses."""

    __slots__ = ()

    def record(
        self,
        duration: float,
        first_byte: float,
        request_size: int,
        response_size: int,
        exemplar: str | None,
    ) -> None:
        """Count one request that is over, by the children's own methods."""
        self._count.inc()
        self._duration.observe(duration, exemplar)
        self._first_byte.observe(first_byte)
        self._request_size.observe(request_size)
        self._response_size.observe(response_size)


class RequestMetrics:
    """Counts requests and WebSocket connections."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._registry = registry
        self._series: dict[tuple[str, str, int], RequestSeries] = {}
        self._exceptions = registry.counter(names.EXCEPTIONS)
        self.active = registry.gauge(names.ACTIVE_REQUESTS).child()
        self.websockets = registry.gauge(names.WEBSOCKETS_ACTIVE).child()
        self.websocket_duration = registry.histogram(names.WEBSOCKET_DURATION)
        self.websocket_messages = registry.counter(names.WEBSOCKET_MESSAGES)

    def series(self, method: str, endpoint: str, status: int) -> RequestSeries:
        """Return the series of a request that ended with ``status``."""
        series = self._series.get((method, endpoint, status))
        return self._bind(method, endpoint, status) if series is None else series

    def _bind(self, method: str, endpoint: str, status: int) -> RequestSeries:
        known = method in METHODS
        labels = (method if known else OTHER_METHOD, endpoint, status)
        series = RequestSeries(self._registry, *labels)
        if series.overflows:
            series = OverflowSeries(self._registry, *labels)
        # The methods and statuses of strangers must not fill the memory.
        if known and len(self._series) < self._registry.series_cap:
            self._series[method, endpoint, status] = series
        return series

    def called(self, endpoint: str, status: int, duration: float) -> None:
        """Count a call that ``track_request_metrics`` watched where there is no request."""
        self.active.dec()
        labels = ("POST", endpoint)
        self._registry.counter(names.REQUESTS).child(*labels, str(status)).inc()
        durations = self._registry.histogram(names.REQUEST_DURATION)
        durations.child(*labels, status_class(status)).observe(duration)

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
