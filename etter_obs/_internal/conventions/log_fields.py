"""Fields of a log line, first the names that the requirements fix.

A module and not a class, because the access log reads them at every request and Python 3.11 reads
a constant of a module faster.
"""

from __future__ import annotations

from typing import Final

TIMESTAMP: Final = "timestamp"
LEVEL: Final = "level"
MESSAGE: Final = "message"
MODULE: Final = "module"
FUNCTION: Final = "function"
LINE: Final = "line"
EXCEPTION: Final = "exception"
REQUEST_ID: Final = "request_id"
METHOD: Final = "method"
PATH: Final = "path"
STATUS_CODE: Final = "status_code"
DURATION_MS: Final = "duration_ms"
CLIENT_IP: Final = "client_ip"
LOGGER: Final = "logger"
TRACE_ID: Final = "trace_id"
SPAN_ID: Final = "span_id"
TRACE_SAMPLED: Final = "trace_sampled"
SERVICE: Final = "service"
ENVIRONMENT: Final = "environment"
ENDPOINT: Final = "endpoint"
ERROR_TYPE: Final = "error_type"
STATEMENT: Final = "statement"
COUNT: Final = "count"
TRUNCATED: Final = "truncated"
