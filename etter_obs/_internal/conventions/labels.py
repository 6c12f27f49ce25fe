"""Labels of the app's metrics, rules and alerts, and the label values with a special meaning."""

from __future__ import annotations

from typing import Final


class Label:
    """Labels of the app's metrics and of the rules made from them."""

    METHOD: Final = "method"
    ENDPOINT: Final = "endpoint"
    STATUS: Final = "status"
    STATUS_CLASS: Final = "status_class"
    QUERY_TYPE: Final = "query_type"
    CACHE_KEY: Final = "cache_key"
    COMMAND: Final = "command"
    HOST: Final = "host"
    POOL: Final = "pool"
    CHECK: Final = "check"
    FUNCTION: Final = "function"
    EXCEPTION: Final = "exception"
    REASON: Final = "reason"
    METRIC: Final = "metric"
    SIGNAL: Final = "signal"
    GENERATION: Final = "generation"
    SHA256: Final = "sha256"
    VERSION: Final = "version"
    PYTHON: Final = "python"
    FASTAPI: Final = "fastapi"
    # labels of rules and alerts
    JOB: Final = "job"
    INSTANCE: Final = "instance"
    SERVICE: Final = "service"
    ENVIRONMENT: Final = "environment"
    SLO: Final = "slo"
    SEVERITY: Final = "severity"
    TIER: Final = "tier"
    TEAM: Final = "team"
    ALERTNAME: Final = "alertname"


UNMATCHED: Final = "__unmatched__"
"""``endpoint`` of a request that matches no route; no SLI counts it."""
OVERFLOW: Final = "__overflow__"
"""Label value of the overflow series, which count everything past the cap of a metric."""
KEPT_PAST_CAP: Final = frozenset((Label.ENDPOINT, Label.STATUS, Label.STATUS_CLASS))
"""Labels that SLIs filter by: past the cap they keep a value that is one of few."""
OTHER_METHOD: Final = "_OTHER"
"""``method`` of a request with a method outside HTTP (OpenTelemetry's spelling)."""
STATUS_CLIENT_CLOSED: Final = 499
"""Status of a request whose client left before the response was complete (nginx's code)."""
