"""Fields of a log line."""

from __future__ import annotations

from enum import StrEnum


class LogField(StrEnum):
    """Fields of a log line, the guide's names first (section 6)."""

    TIMESTAMP = "timestamp"
    LEVEL = "level"
    MESSAGE = "message"
    MODULE = "module"
    FUNCTION = "function"
    LINE = "line"
    EXCEPTION = "exception"
    REQUEST_ID = "request_id"
    METHOD = "method"
    PATH = "path"
    STATUS_CODE = "status_code"
    DURATION_MS = "duration_ms"
    CLIENT_IP = "client_ip"
    LOGGER = "logger"
    TRACE_ID = "trace_id"
    SPAN_ID = "span_id"
    TRACE_SAMPLED = "trace_sampled"
    SERVICE = "service"
    ENVIRONMENT = "environment"
    ENDPOINT = "endpoint"
    ERROR_TYPE = "error_type"
    STATEMENT = "statement"
    COUNT = "count"
    TRUNCATED = "truncated"
