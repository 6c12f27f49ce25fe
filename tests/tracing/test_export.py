"""Export never hurts the app: a collector that hangs costs spans, counted, and a bounded time."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from etter_obs import setup_observability
from etter_obs._internal.conventions import TELEMETRY_DROPPED
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.redaction.redactor import Redactor
from etter_obs._internal.settings import Settings
from etter_obs._internal.settings.parsers import OtlpProtocol
from etter_obs._internal.tracing import Tracing
from tests.relay import relay
from tests.services import Receiver, otlp_grpc_receiver, otlp_http_receiver
from tests.tracing.observed import observed, settings_for
from tests.waiting import eventually

QUEUE_SIZE = Settings().span_queue_size


def tracing_to(otlp: Receiver, registry: MetricsRegistry, **changes: Any) -> Tracing:
    """Return tracing without an app."""
    return Tracing(
        settings_for(otlp, **changes),
        service="service",
        environment="test",
        registry=registry,
        redactor=Redactor(),
    )


def dropped(registry: MetricsRegistry, reason: str) -> float:
    """Return how many spans were dropped for that reason."""
    return registry.counter(TELEMETRY_DROPPED).child("span", reason).value


def test_a_hanging_collector_bounds_memory_and_counts_what_it_costs(otlp: Receiver) -> None:
    """With the collector silent, spans over the queue's size are dropped and counted at once."""
    otlp.release.clear()
    registry = MetricsRegistry("etter")
    tracing = tracing_to(otlp, registry, otlp_timeout=60.0)
    tracer = tracing.provider.get_tracer("test")
    started = time.monotonic()
    for _ in range(QUEUE_SIZE + 1000):
        tracer.start_span("span").end()
    assert time.monotonic() - started < 30  # a span that waited for a request would wait a minute
    assert dropped(registry, "queue_full") == 1000
    assert tracing.flush(0.2) is False
    otlp.release.set()
    assert tracing.close(30) is True
    assert len(otlp.spans) == QUEUE_SIZE


def test_what_was_exported_makes_room(otlp: Receiver) -> None:
    """Over time more spans than the queue holds are exported, none is dropped."""
    registry = MetricsRegistry("etter")
    tracing = tracing_to(otlp, registry)
    tracer = tracing.provider.get_tracer("test")
    for _ in range(3):
        for _ in range(QUEUE_SIZE // 2):
            tracer.start_span("span").end()
        assert tracing.flush(20) is True
    tracing.close(10)
    assert dropped(registry, "queue_full") == 0
    assert len(otlp.spans) == 3 * (QUEUE_SIZE // 2)


def test_a_smaller_queue_holds_fewer_and_a_batch_no_more_than_asked(otlp: Receiver) -> None:
    """OTEL_BSP_MAX_QUEUE_SIZE bounds what waits, OTEL_BSP_MAX_EXPORT_BATCH_SIZE one request."""
    otlp.release.clear()
    registry = MetricsRegistry("etter")
    sizes = {"span_queue_size": 100, "span_batch_size": 10}
    tracing = tracing_to(otlp, registry, **sizes, span_delay=600.0, otlp_timeout=60.0)
    tracer = tracing.provider.get_tracer("test")
    for _ in range(130):
        tracer.start_span("span").end()
    assert dropped(registry, "queue_full") == 30
    otlp.release.set()
    assert tracing.close(20) is True
    assert len(otlp.spans) == 100
    assert otlp.calls == 10


def test_a_span_waits_for_company_as_long_as_asked(otlp: Receiver) -> None:
    """OTEL_BSP_SCHEDULE_DELAY is how long a lone span waits: not at all, or till it is flushed."""
    late = tracing_to(otlp, MetricsRegistry("etter"), span_delay=600.0)
    late.provider.get_tracer("test").start_span("late").end()
    soon = tracing_to(otlp, MetricsRegistry("etter"), span_delay=0.01)
    for name in ("soon", "soon after"):
        soon.provider.get_tracer("test").start_span(name).end()
        otlp.named(name)
    assert [span.name for span in otlp.spans] == ["soon", "soon after"]
    assert late.flush(10) is True
    otlp.named("late")
    soon.close(10)
    late.close(10)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_request_may_take_as_long_as_asked(protocol: OtlpProtocol) -> None:
    """OTEL_EXPORTER_OTLP_TIMEOUT ends a request that is not answered; its spans are counted."""
    receiver = otlp_grpc_receiver() if protocol == "grpc" else otlp_http_receiver()
    with receiver as hanging:
        hanging.release.clear()
        registry = MetricsRegistry("etter")
        changes = {"otlp_protocol": protocol, "otlp_timeout": 0.3, "span_delay": 0.01}
        tracing = tracing_to(hanging, registry, **changes)
        tracing.provider.get_tracer("test").start_span("span").end()
        eventually(lambda: dropped(registry, "export_failed") == 1, deadline_s=9)  # the default: 10
        hanging.release.set()
        tracing.close(10)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_spans_are_compressed_where_asked(protocol: OtlpProtocol) -> None:
    """With OTEL_EXPORTER_OTLP_COMPRESSION=gzip the same spans take a tenth of the bytes."""
    receiver = otlp_grpc_receiver() if protocol == "grpc" else otlp_http_receiver()
    with receiver as otlp, relay(otlp.endpoint.removeprefix("http://")) as wire:
        sizes = []
        for compression in ("none", "gzip"):
            tracing = tracing_to(
                otlp,
                MetricsRegistry("etter"),
                otlp_endpoint=wire.address,
                otlp_protocol=protocol,
                otlp_compression=compression,
                span_delay=600.0,  # so that all are sent at the close
            )
            tracer = tracing.provider.get_tracer("test")
            for _ in range(100):
                tracer.start_span("span", attributes={"text": "to be said again " * 100}).end()
            before = wire.sent
            assert tracing.close(30) is True
            sizes.append(wire.sent - before)
        assert len(otlp.spans) == 200
    plain, zipped = sizes
    assert plain > 170_000
    assert zipped < plain / 10


def test_closing_keeps_its_deadline_when_the_collector_hangs(otlp: Receiver) -> None:
    """Closing with a silent collector takes no longer than it was allowed, and half a second."""
    otlp.release.clear()
    tracing = tracing_to(otlp, MetricsRegistry("etter"), otlp_timeout=60.0)
    tracing.provider.get_tracer("test").start_span("span").end()
    started = time.monotonic()
    assert tracing.close(0.5) is False
    assert time.monotonic() - started < 10  # the request under way would take a minute
    assert tracing.close(0.5) is True  # a second call has nothing to do


def test_no_collector_costs_the_spans_and_says_so(otlp: Receiver) -> None:
    """Spans that no collector accepts are counted as not exported."""
    with otlp_grpc_receiver() as gone:
        address = gone.endpoint
    registry = MetricsRegistry("etter")
    tracing = tracing_to(otlp, registry, otlp_endpoint=address)
    tracing.provider.get_tracer("test").start_span("span").end()
    tracing.close(0.5)
    eventually(lambda: dropped(registry, "export_failed") == 1, deadline_s=15)


async def test_requests_do_not_feel_a_hanging_collector(otlp: Receiver) -> None:
    """Sampled requests are answered while an export hangs."""
    otlp.release.clear()
    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "here"

    async with observed(app, otlp, shutdown_deadline=0.3, otlp_timeout=60.0) as client:
        for _ in range(600):
            await client.get("/")
        await asyncio.to_thread(eventually, lambda: otlp.calls, deadline_s=30)
        started = time.monotonic()
        answers = await asyncio.gather(*(client.get("/") for _ in range(200)))
        assert time.monotonic() - started < 30  # one that waited for it would wait a minute
        assert {answer.status_code for answer in answers} == {200}


def test_secrets_do_not_leave_in_any_part_of_a_span(otlp: Receiver) -> None:
    """Names, keys, attributes, lists, bytes, events, status and links are all redacted."""
    tracing = tracing_to(otlp, MetricsRegistry("etter"))
    secret = "password=hunter2hunter2"
    tracer = tracing.provider.get_tracer("test")
    link = trace.Link(trace.SpanContext(1, 2, False), {"at": secret})
    span = tracer.start_span(f"do {secret}", links=[link])
    span.set_attribute("note", secret)
    span.set_attribute("notes", [secret, "is_printable_ascii"])
    span.set_attribute("api_key", "hunter2hunter2")
    span.set_attribute("count", 3)
    span.set_attribute(secret, 1)
    span.set_attribute("raw", secret.encode())
    span.set_attribute("pair", ["password", "hunter2hunter2"])
    span.set_attribute("url.query", "next=%2Freset%3Ftoken%3Dhunter2hunter2")
    span.add_event(f"found {secret}", {"how": secret, secret: 1})
    span.set_status(trace.StatusCode.ERROR, secret)
    span.end()
    tracing.close(10)
    (received,) = otlp.spans
    assert "hunter2" not in repr(received)
    assert received.attributes["count"] == 3
    assert received.attributes["note"] == "password=[redacted]"
    assert received.status_text == "password=[redacted]"


@pytest.mark.parametrize("limit", [None, 300])
def test_a_secret_does_not_outlive_a_cut(
    otlp: Receiver, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    """Wherever a text is cut, by OpenTelemetry's limit or ours, no half of a secret is left."""
    if limit is not None:
        monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", str(limit))
    length = limit or 16_384
    tracing = tracing_to(otlp, MetricsRegistry("etter"))
    tracer = tracing.provider.get_tracer("test")
    secret = "postgres://etter:hunter2hunter2@db/etter"
    for cut_at in (length, 4 * length):
        for before in (",", "x"):
            with tracer.start_as_current_span("span") as span:
                text = before * (cut_at - 25) + secret
                span.set_attribute("text", text)
                span.record_exception(ValueError(text))
    tracing.close(10)
    assert len(otlp.spans) == 4
    for received in otlp.spans:
        ((_, event),) = received.events
        texts = [*received.attributes.values(), *event.values()]
        assert all(len(str(text)) <= length for text in texts)
        assert not any("hunter" in str(text) for text in texts)


def test_a_long_attribute_is_cut(otlp: Receiver) -> None:
    """One attribute of a megabyte does not go out as a megabyte."""
    tracing = tracing_to(otlp, MetricsRegistry("etter"))
    span = tracing.provider.get_tracer("test").start_span("span", attributes={"text": "x" * 10**6})
    span.end()
    tracing.close(10)
    assert len(otlp.spans[0].attributes["text"]) == 16_384


def test_the_global_provider_is_ours_and_is_given_back(otlp: Receiver) -> None:
    """Spans of the user's tracers are exported; after closing, the user may set a provider."""
    tracing = tracing_to(otlp, MetricsRegistry("etter"))
    trace.get_tracer("user").start_span("theirs").end()
    tracing.close(10)
    assert otlp.named("theirs").scope == "user"
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_a_provider_of_the_user_stays_the_global_one(
    otlp: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the user has a tracer provider, theirs is in place before, during and after."""
    theirs = TracerProvider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", theirs)
    tracing = tracing_to(otlp, MetricsRegistry("etter"))
    assert trace.get_tracer_provider() is theirs
    tracing.close(10)
    assert trace.get_tracer_provider() is theirs


def test_without_an_exporter_traces_are_left_out_and_the_app_goes_on(
    otlp: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a package of the exporter is not usable, nothing is traced and nothing raises."""
    monkeypatch.setitem(__import__("sys").modules, "grpc", None)
    obs = setup_observability(FastAPI(), settings=settings_for(otlp))
    assert not obs.tracing.enabled
    obs.shutdown()
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


class PidExporter(SpanExporter):
    """Takes spans only in the process that it was made in, as a connection does."""

    def __init__(self) -> None:
        self.pid = os.getpid()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Succeed at home."""
        own = self.pid == os.getpid()
        return SpanExportResult.SUCCESS if own else SpanExportResult.FAILURE


def test_a_forked_child_exports_over_a_connection_of_its_own(otlp: Receiver) -> None:
    """A child of a process that has exported makes its own exporter and starts with no queue."""
    registry = MetricsRegistry("etter")
    tracing = Tracing(
        settings_for(otlp),
        service="service",
        environment="test",
        registry=registry,
        redactor=Redactor(),
        make_exporter=PidExporter,
    )
    tracer = tracing.provider.get_tracer("test")
    for _ in range(QUEUE_SIZE):
        tracer.start_span("parent").end()
    tracing.flush(10)

    def in_child() -> None:
        for _ in range(QUEUE_SIZE):
            tracer.start_span("child").end()
        flushed = tracing.flush(10)
        lost = dropped(registry, "export_failed") + dropped(registry, "queue_full")
        os._exit(0 if flushed and not lost else 1)

    child = multiprocessing.get_context("fork").Process(target=in_child)
    child.start()
    child.join(30)
    assert child.exitcode == 0
    tracing.close(10)
