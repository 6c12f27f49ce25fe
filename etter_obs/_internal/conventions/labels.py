"""Labels of the app's metrics, rules and alerts, and the label values with a special meaning."""

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
    # labels of rules and alerts
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
"""``endpoint`` of a request that matches no route; no SLI counts it."""
OVERFLOW: Final = "__overflow__"
"""Label value of the overflow series, which count everything past the cap of a metric."""
KEPT_PAST_CAP: Final = frozenset((Label.ENDPOINT, Label.STATUS, Label.STATUS_CLASS))
"""Labels that SLIs filter by: past the cap they keep a value that is one of few."""
OTHER_METHOD: Final = "_OTHER"
"""``method`` of a request with a method outside HTTP (OpenTelemetry's spelling)."""
STATUS_CLIENT_CLOSED: Final = 499
"""Status of a request whose client left before the response was complete (nginx's code)."""
