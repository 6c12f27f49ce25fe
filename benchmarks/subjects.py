"""The ways of observing an app that are compared, each as its own documentation sets it up.

Each function takes the app and where telemetry may go, changes the app in place, and returns a
function that finishes the work that the subject has put off: it returns when everything is
counted, written and sent.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from fastapi import FastAPI


class Sinks(NamedTuple):
    """Where telemetry goes: a gRPC address, and a DSN of a server that takes and forgets."""

    otlp: str
    dsn: str


Finish = Callable[[], object]
"""Waits until everything that the subject has put off is counted, written and sent."""
_TIMEOUT: Final = 30.0
"""Seconds that a subject may take to finish."""


class Subject(NamedTuple):
    """One way of observing an app."""

    title: str
    set_up: Callable[[FastAPI, Sinks], Finish]


def _nothing() -> None:
    """Return at once: the subject puts nothing off."""


def bare(app: FastAPI, sinks: Sinks) -> Finish:
    """Observe nothing."""
    return _nothing


def _correlation_id(app: FastAPI) -> None:
    """Set up asgi-correlation-id as its README does."""
    from asgi_correlation_id import CorrelationIdMiddleware

    app.add_middleware(CorrelationIdMiddleware)


def _access_log(app: FastAPI) -> None:
    """Set up an access log by structlog at its fastest: orjson, BytesLogger, cached, filtering."""
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


def instrumentator(app: FastAPI, sinks: Sinks) -> Finish:
    """prometheus-fastapi-instrumentator as its README sets it up."""
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator().instrument(app).expose(app)
    return _nothing


def _otel(app: FastAPI, sinks: Sinks, ratio: float) -> Finish:
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
    return provider.force_flush


def otel_tenth(app: FastAPI, sinks: Sinks) -> Finish:
    """OpenTelemetry's FastAPI instrumentation, 10 % of the traces kept."""
    return _otel(app, sinks, 0.1)


def otel_all(app: FastAPI, sinks: Sinks) -> Finish:
    """OpenTelemetry's FastAPI instrumentation, every trace kept and exported over OTLP."""
    return _otel(app, sinks, 1.0)


def sentry(app: FastAPI, sinks: Sinks) -> Finish:
    """sentry-sdk with its defaults."""
    import sentry_sdk

    sentry_sdk.init(dsn=sinks.dsn)
    return lambda: sentry_sdk.flush(_TIMEOUT)


def assembly_tenth(app: FastAPI, sinks: Sinks) -> Finish:
    """What a careful team assembles of these, 10 % of the traces kept."""
    return _assembly(app, sinks, 0.1)


def assembly_all(app: FastAPI, sinks: Sinks) -> Finish:
    """What a careful team assembles of these, every trace kept."""
    return _assembly(app, sinks, 1.0)


def _assembly(app: FastAPI, sinks: Sinks, ratio: float) -> Finish:
    flush_errors = sentry(app, sinks)
    instrumentator(app, sinks)
    _access_log(app)
    _correlation_id(app)
    flush_spans = _otel(app, sinks, ratio)

    def finish() -> None:
        flush_spans()
        flush_errors()

    return finish


def _etter(app: FastAPI, sinks: Sinks, **changes: Any) -> Finish:
    from etter_obs import Settings, setup_observability

    settings = Settings(
        apm_enabled=True,
        otlp_endpoint=sinks.otlp,
        error_tracking_enabled=True,
        sentry_dsn=sinks.dsn,
    )
    obs = setup_observability(app, settings=replace(settings, **changes))
    return lambda: obs.flush(_TIMEOUT)


def etter_tenth(app: FastAPI, sinks: Sinks) -> Finish:
    """etter-obs with everything on, logs over OTLP too; 10 % of the traces kept, its default."""
    return _etter(app, sinks)


def etter_all(app: FastAPI, sinks: Sinks) -> Finish:
    """etter-obs with everything on and every trace kept."""
    return _etter(app, sinks, sampler="parentbased_always_on")


_METRICS_ALONE: Final = {
    "apm_enabled": False,
    "error_tracking_enabled": False,
    "log_level": "WARNING",
}


def etter_metrics(app: FastAPI, sinks: Sinks) -> Finish:
    """etter-obs with metrics alone: no traces, access log, error reports, response headers."""
    return _etter(app, sinks, **_METRICS_ALONE, response_headers=())


def etter_headers(app: FastAPI, sinks: Sinks) -> Finish:
    """etter-obs with metrics, and a request id and the time in every response."""
    return _etter(app, sinks, **_METRICS_ALONE)


def etter_lines(app: FastAPI, sinks: Sinks) -> Finish:
    """etter-obs with metrics, response headers and access lines on standard output."""
    return _etter(app, sinks, apm_enabled=False, error_tracking_enabled=False)


def etter_none(app: FastAPI, sinks: Sinks) -> Finish:
    """etter-obs with everything on, logs over OTLP too, and no trace kept."""
    return _etter(app, sinks, sampler="always_off")


SUBJECTS: Final = {
    "bare": Subject("bare FastAPI", bare),
    "etter-metrics": Subject("etter-obs, metrics alone", etter_metrics),
    "etter-headers": Subject("etter-obs, metrics and response headers", etter_headers),
    "etter-lines": Subject("etter-obs, metrics, headers and access lines", etter_lines),
    "etter-0": Subject("etter-obs, everything, traces 0 %", etter_none),
    "etter-10": Subject("etter-obs, everything, traces 10 %", etter_tenth),
    "etter-100": Subject("etter-obs, everything, traces 100 %", etter_all),
    "instrumentator": Subject("prometheus-fastapi-instrumentator", instrumentator),
    "otel-10": Subject("OpenTelemetry FastAPI, 10 %", otel_tenth),
    "otel-100": Subject("OpenTelemetry FastAPI, 100 %", otel_all),
    "sentry": Subject("sentry-sdk", sentry),
    "assembly-10": Subject("the peers' assembly, traces 10 %", assembly_tenth),
    "assembly-100": Subject("the peers' assembly, traces 100 %", assembly_all),
}
