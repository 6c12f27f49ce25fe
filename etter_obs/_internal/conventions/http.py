"""Headers and paths that this package adds to an app."""

from __future__ import annotations

from enum import StrEnum


class Header(StrEnum):
    """Response and request headers."""

    REQUEST_ID = "X-Request-ID"
    RESPONSE_TIME = "X-Response-Time"


class Path(StrEnum):
    """Paths that the package adds, excluded from request metrics, traces and the access log."""

    METRICS = "/metrics"
    HEALTH = "/health"
    LIVE = "/health/live"
    READY = "/health/ready"
    STARTUP = "/health/startup"
    DETAILED = "/health/detailed"
