"""Headers and paths that this package adds to an app."""

from __future__ import annotations

from typing import Final


class Header:
    """Response and request headers."""

    REQUEST_ID: Final = "X-Request-ID"
    RESPONSE_TIME: Final = "X-Response-Time"


class Path:
    """Paths that the package adds, excluded from request metrics, traces and the access log."""

    METRICS: Final = "/metrics"
    HEALTH: Final = "/health"
    LIVE: Final = "/health/live"
    READY: Final = "/health/ready"
    STARTUP: Final = "/health/startup"
    DETAILED: Final = "/health/detailed"
    CONSOLE: Final = "/_obs"
