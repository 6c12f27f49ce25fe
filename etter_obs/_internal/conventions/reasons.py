"""Fixed vocabularies for states and reasons, so that no free text becomes a label value."""

from __future__ import annotations

from enum import StrEnum


class HealthStatus(StrEnum):
    """States of a check and of the whole app."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class HealthReason(StrEnum):
    """Why a check is not healthy: a fixed vocabulary, so that no text leaks into a response."""

    OK = "ok"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    POOL_EXHAUSTED = "pool_exhausted"
    FAILED = "failed"
    DRAINING = "draining"
    STARTING = "starting"


class NotKept(StrEnum):
    """Why the result of a cached function is not kept."""

    ARGUMENT = "argument"
    RESULT = "result"
    REDIS = "redis"
    LATE = "late"
