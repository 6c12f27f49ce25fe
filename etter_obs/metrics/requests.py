"""What is counted for a request: all series of a method, route and status bound together, once."""

from __future__ import annotations

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
    """The bound series of one method, route and status."""

    __slots__ = ("count", "duration", "first_byte", "request_size", "response_size")

    def __init__(self, registry: MetricsRegistry, method: str, endpoint: str, status: int) -> None:
        class_ = status_class(status)
        self.count = registry.counter(names.REQUESTS).child(method, endpoint, str(status))
        self.duration = registry.histogram(names.REQUEST_DURATION).child(method, endpoint, class_)
        self.first_byte = registry.histogram(names.REQUEST_TTFB).child(method, endpoint)
        self.request_size = registry.histogram(names.REQUEST_SIZE).child(method, endpoint)
        self.response_size = registry.histogram(names.RESPONSE_SIZE).child(method, endpoint)


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
        key = (method, endpoint, status)
        series = self._series.get(key)
        if series is None:
            series = RequestSeries(
                self._registry, method if method in METHODS else OTHER_METHOD, endpoint, status
            )
            # The methods and statuses of strangers must not fill the memory.
            if method in METHODS and len(self._series) < self._registry.series_cap:
                self._series[key] = series
        return series

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
