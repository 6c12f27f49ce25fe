"""Labels of the app's metrics, rules and alerts, and the label values that have a meaning."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Label(StrEnum):
    """Labels of the app's metrics and of the rules made from them."""

    METHOD = "method"
    ENDPOINT = "endpoint"
    STATUS = "status"
    STATUS_CLASS = "status_class"
    QUERY_TYPE = "query_type"
    CACHE_KEY = "cache_key"
    COMMAND = "command"
    HOST = "host"
    POOL = "pool"
    CHECK = "check"
    FUNCTION = "function"
    EXCEPTION = "exception"
    REASON = "reason"
    METRIC = "metric"
    SIGNAL = "signal"
    GENERATION = "generation"
    SHA256 = "sha256"
    VERSION = "version"
    PYTHON = "python"
    FASTAPI = "fastapi"
    # carried by rules and alerts
    JOB = "job"
    INSTANCE = "instance"
    SERVICE = "service"
    ENVIRONMENT = "environment"
    SLO = "slo"
    SEVERITY = "severity"
    TIER = "tier"
    TEAM = "team"
    ALERTNAME = "alertname"


UNMATCHED: Final = "__unmatched__"
"""``endpoint`` of a request that no route answers; it counts in no SLI."""
OVERFLOW: Final = "__overflow__"
"""Label value in the series that take what a capped metric may not hold."""
KEPT_PAST_CAP: Final = frozenset((Label.ENDPOINT, Label.STATUS, Label.STATUS_CLASS))
"""Labels that SLIs choose by: past the cap they keep a value that is one of few."""
OTHER_METHOD: Final = "_OTHER"
"""``method`` of a request whose method is not one of HTTP's (OpenTelemetry's own spelling)."""
STATUS_CLIENT_CLOSED: Final = 499
"""Status of a request whose client left before the response was complete (nginx's code)."""
