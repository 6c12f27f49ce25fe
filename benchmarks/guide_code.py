"""An example of observability code written by hand, to be measured."""

from __future__ import annotations

import functools
import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

import sentry_sdk
from fastapi import FastAPI, Request
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Gauge, Histogram
from sentry_sdk.integrations.fastapi import FastApiIntegration
from starlette.middleware.base import BaseHTTPMiddleware


class StructuredLogger:
    """Writes JSON lines to standard output."""

    def __init__(self, name: str) -> None:
        self.logger = logging.getLogger(name)
        self.logger.setLevel(logging.INFO)
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonFormatter())
        self.logger.addHandler(handler)

    def log(self, level: str, message: str, **kwargs: Any) -> None:
        """Log one line."""
        log_data = {
            "timestamp": datetime.now(UTC).isoformat(),
            "level": level,
            "message": message,
            **kwargs,
        }
        getattr(self.logger, level.lower())(json.dumps(log_data))

    def info(self, message: str, **kwargs: Any) -> None:
        """Log one line of information."""
        self.log("INFO", message, **kwargs)


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON, a second time."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        return json.dumps(
            {
                "timestamp": datetime.now(UTC).isoformat(),
                "level": record.levelname,
                "message": record.getMessage(),
                "module": record.module,
                "function": record.funcName,
                "line": record.lineno,
            }
        )


class RequestLoggingMiddleware(BaseHTTPMiddleware):
    """Logs each request and sets its headers."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        """Log the start and the end of a request."""
        start_time = time.time()
        request_id = request.headers.get("X-Request-ID", "unknown")
        logger.info(
            "Request started",
            request_id=request_id,
            method=request.method,
            url=str(request.url),
            client_ip=request.client.host if request.client else None,
        )
        response = await call_next(request)
        duration = time.time() - start_time
        logger.info(
            "Request completed",
            request_id=request_id,
            method=request.method,
            url=str(request.url),
            status_code=response.status_code,
            duration_ms=round(duration * 1000, 2),
        )
        response.headers["X-Request-ID"] = request_id
        response.headers["X-Response-Time"] = f"{duration:.3f}s"
        return response


logger = StructuredLogger("guide")
request_count = Counter("etter_requests_total", "Requests", ["method", "endpoint", "status"])
request_duration = Histogram("etter_request_duration_seconds", "Duration", ["method", "endpoint"])
active_requests = Gauge("etter_active_requests", "Number of active requests")


def track_request_metrics(endpoint: str) -> Any:
    """Count the calls of a function as requests to ``endpoint``."""

    def decorator(func: Any) -> Any:
        @functools.wraps(func)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            active_requests.inc()
            start_time = time.time()
            status = "error"
            try:
                result = await func(*args, **kwargs)
                status = "success"
                return result
            finally:
                duration = time.time() - start_time
                request_duration.labels(method="POST", endpoint=endpoint).observe(duration)
                request_count.labels(method="POST", endpoint=endpoint, status=status).inc()
                active_requests.dec()

        return wrapper

    return decorator


def set_up(app: FastAPI, otlp: str, dsn: str) -> None:
    """Instrument an app by hand, with every route's function tracked."""
    for route in list(app.router.routes):
        if getattr(route, "endpoint", None) is not None and route.path.startswith("/api"):  # type: ignore[attr-defined]
            tracked = track_request_metrics(route.path)(route.endpoint)  # type: ignore[attr-defined]
            app.router.routes.remove(route)
            app.add_api_route(route.path, tracked, methods=["GET"])  # type: ignore[attr-defined]
    app.add_middleware(RequestLoggingMiddleware)
    sentry_sdk.init(dsn=dsn, integrations=[FastApiIntegration()], traces_sample_rate=0.1)
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp, insecure=True)))
    FastAPIInstrumentor.instrument_app(app)
