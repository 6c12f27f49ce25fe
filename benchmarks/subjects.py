"""The apps that are compared: one bare FastAPI app, and what teams put around it.

Each function takes the app and where telemetry may go, and changes the app in place. They are set
up as their own documentation says.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from fastapi import FastAPI


class Sinks(NamedTuple):
    """Where telemetry goes: a gRPC address, and a DSN of a server that takes and forgets."""

    otlp: str
    dsn: str


class Subject(NamedTuple):
    """One way of observing an app; ``modes`` names the shares of traces kept it is measured at."""

    title: str
    set_up: Callable[[FastAPI, Sinks], None]


def make_app() -> FastAPI:
    """Return the bare app: one route with a parameter, that returns JSON."""
    app = FastAPI()

    @app.get("/api/companies/{company_id}")
    async def company(company_id: int) -> dict[str, Any]:
        return {"id": company_id, "name": "Acme Analytics", "industry": "Analytics"}

    return app


def bare(app: FastAPI, sinks: Sinks) -> None:
    """Nothing."""


def correlation_id(app: FastAPI, sinks: Sinks) -> None:
    """asgi-correlation-id as its README sets it up."""
    from asgi_correlation_id import CorrelationIdMiddleware

    app.add_middleware(CorrelationIdMiddleware)


def access_log(app: FastAPI, sinks: Sinks) -> None:
    """An access log by structlog in its fastest set-up: orjson, BytesLogger, cached, filtering."""
    import time

    import orjson
    import structlog

    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
    )
    log = structlog.get_logger("access")

    class AccessLog:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await self.app(scope, receive, send)
                return
            start = time.perf_counter()
            status = 500
            request_id = None
            try:
                from asgi_correlation_id import correlation_id as current

                request_id = current.get()
            except LookupError:
                pass
            structlog.contextvars.clear_contextvars()
            structlog.contextvars.bind_contextvars(request_id=request_id)

            async def observed(message: Any) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self.app(scope, receive, observed)
            finally:
                log.info(
                    "Request completed",
                    method=scope["method"],
                    path=scope["path"],
                    status_code=status,
                    duration_ms=round((time.perf_counter() - start) * 1000, 3),
                    client_ip=scope["client"][0],
                )

    app.add_middleware(AccessLog)


def instrumentator(app: FastAPI, sinks: Sinks) -> None:
    """prometheus-fastapi-instrumentator as its README sets it up."""
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator().instrument(app).expose(app)


def _otel(app: FastAPI, sinks: Sinks, ratio: float) -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(ratio))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=sinks.otlp, insecure=True))
    )
    trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app)


def otel_tenth(app: FastAPI, sinks: Sinks) -> None:
    """OpenTelemetry's FastAPI instrumentation, 10 % of the traces kept."""
    _otel(app, sinks, 0.1)


def otel_all(app: FastAPI, sinks: Sinks) -> None:
    """OpenTelemetry's FastAPI instrumentation, every trace kept and exported over OTLP."""
    _otel(app, sinks, 1.0)


def sentry(app: FastAPI, sinks: Sinks) -> None:
    """sentry-sdk with its defaults."""
    import sentry_sdk

    sentry_sdk.init(dsn=sinks.dsn)


def assembly_tenth(app: FastAPI, sinks: Sinks) -> None:
    """What a careful team assembles of these, 10 % of the traces kept."""
    _assembly(app, sinks, 0.1)


def assembly_all(app: FastAPI, sinks: Sinks) -> None:
    """What a careful team assembles of these, every trace kept."""
    _assembly(app, sinks, 1.0)


def _assembly(app: FastAPI, sinks: Sinks, ratio: float) -> None:
    sentry(app, sinks)
    instrumentator(app, sinks)
    access_log(app, sinks)
    correlation_id(app, sinks)
    _otel(app, sinks, ratio)


def _etter(app: FastAPI, sinks: Sinks, **changes: Any) -> None:
    from etter_obs import Settings, setup_observability

    settings = Settings(
        apm_enabled=True,
        otlp_endpoint=sinks.otlp,
        error_tracking_enabled=True,
        sentry_dsn=sinks.dsn,
    )
    from dataclasses import replace

    setup_observability(app, settings=replace(settings, **changes))


def etter_tenth(app: FastAPI, sinks: Sinks) -> None:
    """etter-obs with everything on, logs over OTLP too; 10 % of the traces kept, its default."""
    _etter(app, sinks)


def etter_all(app: FastAPI, sinks: Sinks) -> None:
    """etter-obs with everything on and every trace kept."""
    _etter(app, sinks, sampler="parentbased_always_on")


_METRICS_ALONE: Final = {
    "apm_enabled": False,
    "error_tracking_enabled": False,
    "log_level": "WARNING",
}


def etter_metrics(app: FastAPI, sinks: Sinks) -> None:
    """etter-obs with metrics alone: no traces, access log, error reports, response headers."""
    _etter(app, sinks, **_METRICS_ALONE, response_headers=())


def etter_headers(app: FastAPI, sinks: Sinks) -> None:
    """etter-obs with metrics, and a request id and the time in every response."""
    _etter(app, sinks, **_METRICS_ALONE)


def guide(app: FastAPI, sinks: Sinks) -> None:
    """Hand-written instrumentation, an example: see ``guide_code``."""
    from benchmarks.guide_code import set_up

    set_up(app, sinks.otlp, sinks.dsn)


SUBJECTS = {
    "bare": Subject("bare FastAPI", bare),
    "etter-metrics": Subject("etter-obs, metrics alone", etter_metrics),
    "etter-headers": Subject("etter-obs, metrics and response headers", etter_headers),
    "etter-10": Subject("etter-obs, everything, traces 10 %", etter_tenth),
    "etter-100": Subject("etter-obs, everything, traces 100 %", etter_all),
    "instrumentator": Subject("prometheus-fastapi-instrumentator", instrumentator),
    "otel-10": Subject("OpenTelemetry FastAPI, 10 %", otel_tenth),
    "otel-100": Subject("OpenTelemetry FastAPI, 100 %", otel_all),
    "sentry": Subject("sentry-sdk", sentry),
    "assembly-10": Subject("the peers' assembly, traces 10 %", assembly_tenth),
    "assembly-100": Subject("the peers' assembly, traces 100 %", assembly_all),
    "guide": Subject("hand-written instrumentation", guide),
}
