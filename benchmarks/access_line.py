"""The access line that benchmarks of the collector and of Loki send."""

from __future__ import annotations

from typing import Final

FIELDS: Final = {
    "level": "INFO",
    "message": "Request completed",
    "logger": "etter_obs.requests",
    "module": "recorder",
    "function": "finish",
    "line": 178,
    "request_id": "1af0e63c21ca7b5bf2e81863eb2c6653",
    "trace_id": "2d81a97d46675cc948cae87b842a6f18",
    "span_id": "17112595c20f2a31",
    "trace_sampled": True,
    "method": "GET",
    "endpoint": "/orders/{number}",
    "path": "/orders/4711",
    "status_code": 200,
    "duration_ms": 17.204,
    "client_ip": "192.0.2.17",
}
"""Its fields, as the app sends them."""
