"""OpenTelemetry's own instrumentation beside ours: one server span, whose ids the log has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import fastapi
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse

from etter_obs import Settings, setup_observability
from tests.app.asgi import request
from tests.services import Receiver
from tests.tracing.observed import settings_for

Order = Callable[[Callable[[fastapi.FastAPI], Any]], fastapi.FastAPI]
Lines = list[dict[str, Any]]


def routed(app: fastapi.FastAPI) -> fastapi.FastAPI:
    """Give the app a route that works and one that fails."""

    @app.get("/items/{item}")
    async def item(item: int) -> int:
        trace.get_current_span().set_attribute("mine", item)
        return item

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("on purpose")

    return app


def hook(span: trace.Span, scope: dict[str, Any]) -> None:
    """Mark the server span, as a user's hook does."""
    span.set_attribute("hooked", scope["path"])


def before(set_up: Callable[[fastapi.FastAPI], Any]) -> fastapi.FastAPI:
    """Instrument the app, then set up."""
    app = routed(fastapi.FastAPI())
    FastAPIInstrumentor.instrument_app(app, server_request_hook=hook)
    set_up(app)
    return app


def after(set_up: Callable[[fastapi.FastAPI], Any]) -> fastapi.FastAPI:
    """Set up, then instrument the app."""
    app = routed(fastapi.FastAPI())
    set_up(app)
    FastAPIInstrumentor.instrument_app(app, server_request_hook=hook)
    return app


def class_wide(set_up: Callable[[fastapi.FastAPI], Any]) -> fastapi.FastAPI:
    """Instrument every app that is made, as the command opentelemetry-instrument does."""
    FastAPIInstrumentor().instrument(server_request_hook=hook)
    app = routed(fastapi.FastAPI())
    set_up(app)
    return app


@pytest.fixture(autouse=True)
def uninstrumented() -> Iterator[None]:
    """Take back what the instrumentation patches for the whole process."""
    plain = BackgroundTask.__call__
    yield
    if FastAPIInstrumentor().is_instrumented_by_opentelemetry:
        FastAPIInstrumentor().uninstrument()
    if hasattr(BackgroundTask, "_otel_original_call"):
        BackgroundTask.__call__ = plain  # type: ignore[method-assign]
        del BackgroundTask._otel_original_call


@contextmanager
def global_provider() -> Iterator[InMemorySpanExporter]:
    """Set a tracer provider of the app's own, named ``theirs``, for the length of the block."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "theirs"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = None, Once()
    trace.set_tracer_provider(provider)
    try:
        yield exporter
    finally:
        trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = None, Once()


def lines_of(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return the lines that are written so far."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def the_access_line(lines: Lines) -> dict[str, Any]:
    """Return the only access line."""
    (line,) = [line for line in lines if line["message"] in ("Request completed", "Request failed")]
    return line


def server_spans(spans: tuple[ReadableSpan, ...]) -> list[ReadableSpan]:
    """Return those of the kind that a request has one of."""
    return [span for span in spans if span.kind is trace.SpanKind.SERVER]


@pytest.mark.parametrize("order", [before, after, class_wide], ids=lambda one: one.__name__)
@pytest.mark.parametrize("path", ["/items/7", "/fails"])
async def test_a_request_has_one_span_in_whatever_order_it_is_instrumented(
    order: Order, path: str, otlp: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """With APM on, ours is the only span; hooks and the app reach it; one warning reports it."""
    made: list[Any] = []
    app = order(lambda app: made.append(setup_observability(app, settings=settings_for(otlp))))
    await request(app, "GET", path)
    made[0].shutdown()
    (span,) = otlp.spans
    lines = lines_of(capsys)
    line = the_access_line(lines)
    assert (span.trace_id, span.span_id) == (line["trace_id"], line["span_id"])
    assert span.kind == "server"
    assert span.name == f"GET {path}".replace("/7", "/{item}")
    assert span.attributes["hooked"] == path
    if path == "/items/7":
        assert span.attributes["mine"] == 7
    else:
        assert [name for name, _ in span.events] == ["exception"]
    warnings = [line for line in lines if "instrumentation is active in the app too" in str(line)]
    assert [line["level"] for line in warnings] == ["WARNING"]
    assert not [line for line in lines if "unexpected middleware stack" in str(line)]


@pytest.mark.parametrize("order", [before, after, class_wide], ids=lambda one: one.__name__)
async def test_with_apm_off_the_log_has_the_ids_of_their_span(
    order: Order, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their instrumentation traces as it would without us, and the access line follows it."""
    with global_provider() as exporter:
        made: list[Any] = []
        app = order(lambda app: made.append(setup_observability(app, settings=Settings())))
        await request(app, "GET", "/items/7")
        made[0].shutdown()
    (span,) = server_spans(exporter.get_finished_spans())
    line = the_access_line(lines_of(capsys))
    known = span.get_span_context()
    assert known is not None
    assert line["trace_id"] == trace.format_trace_id(known.trace_id)
    assert line["span_id"] == trace.format_span_id(known.span_id)
    assert line["trace_sampled"] is True
    assert span.attributes is not None
    assert span.attributes["hooked"] == "/items/7"


async def test_an_undo_leaves_their_instrumentation_as_it_was() -> None:
    """After shutdown the app traces by their provider again, and is of its own class."""
    with global_provider() as exporter:
        app = routed(fastapi.FastAPI())
        FastAPIInstrumentor.instrument_app(app)
        observability = setup_observability(app, settings=Settings())
        await request(app, "GET", "/items/7")
        observability.shutdown()
        exporter.clear()
        await request(app, "GET", "/items/8")
        assert type(app) is fastapi.FastAPI
    assert len(server_spans(exporter.get_finished_spans())) == 1


@pytest.mark.parametrize("apm", [False, True])
async def test_an_app_with_a_provider_of_its_own_has_one_root_span(
    apm: bool, otlp: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """FastAPI's own telemetry to the app's provider makes the one span; the log has its ids."""
    with global_provider() as exporter:
        app = routed(fastapi.FastAPI())
        settings = settings_for(otlp) if apm else Settings()
        observability = setup_observability(app, settings=settings)
        await request(app, "GET", "/items/7")
        observability.shutdown()
    (theirs,) = server_spans(exporter.get_finished_spans())
    known = theirs.get_span_context()
    assert known is not None
    line = the_access_line(lines_of(capsys))
    assert line["trace_id"] == trace.format_trace_id(known.trace_id)
    assert line["span_id"] == trace.format_span_id(known.span_id)
    assert [span for span in otlp.spans if span.kind == "server"] == []
    assert {span.resource["service.name"] for span in otlp.spans} <= {"theirs"}


async def test_urls_that_are_excluded_are_not_traced(
    otlp: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_PYTHON_FASTAPI_EXCLUDED_URLS leaves no span, even of a request that fails."""
    monkeypatch.setenv("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "items/7,fails")
    excluded = Settings.from_env().excluded_urls
    assert excluded == ("items/7", "fails")
    app = routed(fastapi.FastAPI())
    observability = setup_observability(app, settings=settings_for(otlp, excluded_urls=excluded))
    for path in ("/items/7", "/fails", "/items/8"):
        await request(app, "GET", path)
    observability.shutdown()
    assert [span.name for span in otlp.spans] == ["GET /items/{item}"]


async def test_background_tasks_keep_their_spans(otlp: Receiver) -> None:
    """What the instrumentation makes of a background task hangs on the request's span."""
    app = fastapi.FastAPI()

    @app.get("/queues")
    async def queues() -> PlainTextResponse:
        return PlainTextResponse("", background=BackgroundTask(lambda: None))

    observability = setup_observability(app, settings=settings_for(otlp))
    FastAPIInstrumentor.instrument_app(app)
    await request(app, "GET", "/queues")
    observability.shutdown()
    server = otlp.named("GET /queues")
    (task,) = (span for span in otlp.spans if span is not server)
    assert task.name.startswith("BackgroundTask")
    assert (task.trace_id, task.parent_id) == (server.trace_id, server.span_id)


async def test_fastapis_own_duration_keeps_its_route(otlp: Receiver) -> None:
    """The native metric http.server.request.duration has http.route, with APM on as without us."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    app = routed(fastapi.FastAPI(telemetry={"meter_provider": provider}))
    observability = setup_observability(app, settings=settings_for(otlp))
    await request(app, "GET", "/items/7")
    observability.shutdown()
    data = reader.get_metrics_data()
    assert data is not None
    points = [
        point.attributes
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "http.server.request.duration"
        for point in metric.data.data_points
    ]
    assert [point["http.route"] for point in points if point] == ["/items/{item}"]
