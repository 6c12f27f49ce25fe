"""Traces of requests, as a receiver of OTLP gets them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Response, WebSocket, WebSocketDisconnect
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from etter_obs._internal.context import current_request
from tests.services import Receiver, otlp_http_receiver
from tests.tracing.observed import observed

PARENT = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
NOT_SAMPLED_PARENT = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00", "tracestate": "vendor=1"}


def an_app() -> FastAPI:
    """Return an app that does what the tests need."""
    app = FastAPI()

    @app.get("/items/{item}")
    async def item(item: str) -> dict[str, str]:
        with trace.get_tracer("user").start_as_current_span("look up"):
            return {"item": item}

    @app.get("/ids")
    async def ids() -> list[str]:
        request = current_request.get()
        assert request is not None
        return [request.trace_id, request.span_id]

    @app.get("/outgoing")
    async def outgoing() -> dict[str, str]:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier

    @app.get("/baggage")
    async def carried() -> dict[str, object]:
        return dict(baggage.get_all())

    @app.get("/boom/{item}")
    async def boom(item: str) -> None:
        raise ValueError(f"no {item}, token=s3cr3t-in-exception")

    @app.get("/busy")
    async def busy() -> None:
        raise HTTPException(503)

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418)

    @app.get("/slow")
    async def slow() -> Response:
        time.sleep(0.25)  # noqa: ASYNC251  # the tightest latency target is 200 ms
        return Response()

    return app


async def test_a_sampled_request_leaves_a_server_span_with_its_own_ids(otlp: Receiver) -> None:
    """Name, route, status, resource and ids of the span are those of the request."""
    async with observed(
        an_app(),
        otlp,
        service_version="1.2.3",
        environment="test",
        otlp_headers=(("Api-Key", "k1"),),
    ) as client:
        response = await client.get("/items/7?q=1", PARENT)
    span = otlp.named("GET /items/{item}")
    assert span.trace_id == "a" * 32
    assert span.parent_id == "b" * 16
    assert span.kind == "server"
    assert not span.error
    assert span.attributes["http.request.method"] == "GET"
    assert span.attributes["http.route"] == "/items/{item}"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["url.path"] == "/items/7"
    assert span.attributes["etter.request_id"] == response.headers["x-request-id"]
    assert span.resource["service.name"] == "etter"
    assert span.resource["service.version"] == "1.2.3"
    assert span.resource["deployment.environment.name"] == "test"
    assert len(span.resource["service.instance.id"]) == 36
    child = otlp.named("look up")
    assert (child.trace_id, child.parent_id) == (span.trace_id, span.span_id)
    assert otlp.headers["api-key"] == "k1"
    assert len(otlp.spans) == 2  # none for receive and send


@pytest.mark.parametrize("headers", [{}, PARENT])
async def test_span_and_request_have_the_same_ids(otlp: Receiver, headers: dict[str, str]) -> None:
    """What logs and exemplars name is the server span, with a parent and without."""
    async with observed(an_app(), otlp) as client:
        ids = (await client.get("/ids", headers)).json()
    span = otlp.named("GET /ids")
    assert ids == [span.trace_id, span.span_id]


async def test_traces_arrive_over_http_too() -> None:
    """http/protobuf is an OTLP protocol like gRPC."""
    with otlp_http_receiver() as otlp:
        async with observed(
            an_app(), otlp, otlp_protocol="http/protobuf", otlp_headers=(("Api-Key", "k1"),)
        ) as client:
            await client.get("/items/7")
        assert otlp.headers["api-key"] == "k1"
        assert otlp.named("GET /items/{item}").attributes["http.response.status_code"] == 200


async def test_an_exception_that_became_a_500_is_on_the_span(otlp: Receiver) -> None:
    """The span of a crashed request has the exception, without its secrets."""
    async with observed(an_app(), otlp) as client:
        assert (await client.get("/boom/7")).status_code == 500
    span = otlp.named("GET /boom/{item}")
    assert span.error
    assert span.attributes["http.response.status_code"] == 500
    ((name, event),) = span.events
    assert name == "exception"
    assert event["exception.type"] == "ValueError"
    assert event["exception.message"] == "no 7, token=[redacted]"
    assert "in boom" in event["exception.stacktrace"]
    assert "s3cr3t" not in repr(otlp.spans)


@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
@pytest.mark.parametrize("cut_at", [16_384, 65_536])
async def test_a_secret_in_a_long_exception_does_not_outlive_its_cut(
    otlp: Receiver, sampler: str, cut_at: int
) -> None:
    """Where an exception's text is cut in the middle of a secret, neither half is on the span."""
    app = an_app()

    @app.get("/long")
    async def long() -> None:
        raise ValueError("y" * (cut_at - 30) + " postgres://etter:" + "hunter2" * 2 + "@db/etter")

    async with observed(app, otlp, sampler=sampler) as client:
        assert (await client.get("/long")).status_code == 500
    ((_, event),) = otlp.named("GET /long").events
    assert not any("hunter2h" in str(text) for text in event.values())
    assert event["exception.message"].startswith("yyy")
    assert all(len(text) <= 16_384 for text in event.values())


async def test_an_unmatched_path_is_no_span_name(otlp: Receiver) -> None:
    """Paths of scanners never become span names."""
    async with observed(an_app(), otlp) as client:
        await client.get("/.env")
    assert otlp.named("GET").attributes["url.path"] == "/.env"


async def test_an_unsampled_request_leaves_no_span_and_no_child(otlp: Receiver) -> None:
    """With the sampler off, a request that is fine exports nothing, nor does what it calls."""
    async with observed(an_app(), otlp, sampler="always_off") as client:
        assert (await client.get("/items/7")).status_code == 200
    assert otlp.recorded == []


@pytest.mark.parametrize("path", ["/boom/7", "/busy"])
async def test_an_unsampled_failure_leaves_one_span_afterwards(otlp: Receiver, path: str) -> None:
    """An unsampled request that failed has a span under its own trace id."""
    async with observed(an_app(), otlp) as client:
        before = time.time_ns()
        response = await client.get(path, NOT_SAMPLED_PARENT)
        after = time.time_ns()
    (span,) = otlp.spans
    assert span.trace_id == "a" * 32
    assert span.parent_id == "b" * 16
    assert span.error
    assert before <= span.start_ns < span.end_ns <= after
    assert span.attributes["etter.made_afterwards"] is True
    assert span.attributes["etter.kept_because"] == "error"
    assert span.attributes["http.response.status_code"] == response.status_code
    assert span.attributes["etter.request_id"] == response.headers["x-request-id"]
    if path == "/boom/7":
        assert span.name == "GET /boom/{item}"
        assert span.attributes["error.type"] == "ValueError"
        assert [name for name, _ in span.events] == ["exception"]
        assert "s3cr3t" not in repr(span)


async def test_an_unsampled_slow_request_leaves_one_span_afterwards(otlp: Receiver) -> None:
    """A request over the tightest latency target is kept, as long as it took, and is no error."""
    async with observed(an_app(), otlp, sampler="always_off") as client:
        await client.get("/slow")
    span = otlp.named("GET /slow")
    assert span.attributes["etter.kept_because"] == "latency"
    assert not span.error
    assert span.end_ns - span.start_ns > 0.25e9


async def test_a_client_error_is_no_reason_to_keep_a_trace(otlp: Receiver) -> None:
    """A 4xx of an unsampled request leaves no span."""
    async with observed(an_app(), otlp, sampler="always_off") as client:
        assert (await client.get("/teapot")).status_code == 418
    assert [span.attributes["etter.kept_because"] for span in otlp.spans] in ([], ["latency"])


async def test_a_storm_of_failures_leaves_a_bounded_number_of_spans(otlp: Receiver) -> None:
    """Hundreds of failures in a moment make some hundred spans; the others are counted."""
    async with observed(an_app(), otlp, sampler="always_off") as client:
        started = time.monotonic()
        for _ in range(400):
            await client.get("/busy")
        elapsed = time.monotonic() - started
        metrics = (await client.get("/metrics")).text
    made = len(otlp.spans)
    assert 200 <= made <= 200 + 50 * elapsed + 1
    reason = 'etter_telemetry_dropped_total{signal="span",reason="late_rate"}'
    assert f"{reason} {400 - made}" in metrics.replace(".0\n", "\n")


async def test_an_unsampled_request_hands_its_context_on(otlp: Receiver) -> None:
    """What an unsampled request calls gets its trace id, flags 00, tracestate and baggage."""
    headers = {**NOT_SAMPLED_PARENT, "baggage": "tenant=7,plan=gold"}
    async with observed(an_app(), otlp) as client:
        carrier = (await client.get("/outgoing", headers)).json()
        carried = (await client.get("/baggage", headers)).json()
        alone = (await client.get("/outgoing", {"traceparent": "nonsense"})).json()
    version, trace_id, span_id, flags = carrier["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", "a" * 32, "00")
    assert span_id != "b" * 16
    assert carrier["tracestate"] == "vendor=1"
    assert set(carrier["baggage"].split(",")) == {"tenant=7", "plan=gold"}
    assert carried == {"tenant": "7", "plan": "gold"}
    assert alone["traceparent"].endswith(("-01", "-03"))  # sampled, since there was no parent


async def test_without_tracing_a_callers_trace_goes_through_untouched(otlp: Receiver) -> None:
    """A service that traces nothing hands the caller's traceparent on as it came."""
    async with observed(an_app(), otlp, apm_enabled=False) as client:
        carrier = (await client.get("/outgoing", PARENT)).json()
        nothing = (await client.get("/outgoing")).json()
    assert carrier == PARENT
    assert nothing == {}


@pytest.mark.parametrize(
    "headers",
    [
        [(b"user-agent", b"\xff\\x"), (b"host", b"\xfe\\u")],
        [(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")] * 2,
        [(b"traceparent", b"\xff\\x")],
        [(b"tracestate", b"\xff" * 2000), (b"traceparent", PARENT["traceparent"].encode())],
        [(b"baggage", b"a=%ff\xff;;,=,"), (b"content-length", b"\xb2")],
        [(b"\xff\xfe", b"x")],
    ],
)
@pytest.mark.parametrize("client", [("127.0.0.1", 1), None, ("no port",)])
@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
async def test_hostile_headers_cost_nobody_the_request(
    otlp: Receiver,
    headers: list[tuple[bytes, bytes]],
    sampler: str,
    client: tuple[object, ...] | None,
) -> None:
    """Headers that cannot be decoded change nothing, what breaks the instrumentation no answer."""
    app = an_app()
    async with observed(app, otlp, sampler=sampler):
        sent = []

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": "/items/7",
            "raw_path": b"/items/7",
            "query_string": b"\xff=\xfe",
            "root_path": "",
            "scheme": "http",
            "headers": headers,
            "client": client,
            "server": ("127.0.0.1", 80),
        }
        await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 200
    if sampler == "always_on" and client != ("no port",):
        assert otlp.named("GET /items/{item}").kind == "server"


@pytest.mark.parametrize("path", ["/items/7", "/sub/items/7"])
async def test_fastapis_own_telemetry_makes_no_second_server_span(
    otlp: Receiver, path: str
) -> None:
    """Neither the app nor a FastAPI app mounted in it adds its own span to a sampled request."""
    app = an_app()
    app.mount("/sub", an_app())
    async with observed(app, otlp) as client:
        await client.get(path)
    assert sorted((span.kind, span.scope) for span in otlp.spans) == [
        ("internal", "user"),
        ("server", "etter_obs"),
    ]


async def test_fastapis_own_telemetry_to_a_provider_of_its_own_goes_on(otlp: Receiver) -> None:
    """An app that was given a tracer provider keeps tracing to it, and ours adds no second span."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = FastAPI(telemetry={"tracer_provider": provider})
    async with observed(app, otlp) as client:
        await client.get("/nothing-here")
    assert [span.name for span in exporter.get_finished_spans()] == ["GET"]
    assert otlp.spans == []


class OwnPropagator(TextMapPropagator):
    """A propagator of another kind than W3C's, as a vendor may bring."""

    fields = {"x-own"}  # noqa: RUF012

    def extract(self, carrier: Any, context: Any = None, getter: Any = default_getter) -> Context:
        """Take ``trace:span:flag`` from the header."""
        values = getter.get(carrier, "x-own")
        if not values:
            return context or Context()
        trace_id, span_id, flag = values[0].split(":")
        parent = trace.SpanContext(
            int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flag))
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(parent), context)

    def inject(self, carrier: Any, context: Any = None, setter: Any = default_setter) -> None:
        """Write the header."""
        span = trace.get_current_span(context).get_span_context()
        setter.set(carrier, "x-own", f"{span.trace_id:x}:{span.span_id:x}:{span.trace_flags & 1}")


@pytest.mark.parametrize("flag", [0, 1])
async def test_anothers_propagation_stays_in_force(otlp: Receiver, flag: int) -> None:
    """A propagator that the user has set decides what comes in and what goes out."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(OwnPropagator())
    try:
        async with observed(an_app(), otlp) as client:
            headers = {"x-own": f"{'a' * 32}:{'b' * 16}:{flag}", **PARENT}
            carrier = (await client.get("/outgoing", headers)).json()
            assert isinstance(propagate.get_global_textmap(), OwnPropagator)
    finally:
        propagate.set_global_textmap(before)
    assert set(carrier) == {"x-own"}
    trace_id, span_id, sent = carrier["x-own"].split(":")
    assert (trace_id, sent) == ("a" * 32, str(flag))
    assert [span.trace_id for span in otlp.recorded] == ["a" * 32] * flag
    assert [span.parent_id for span in otlp.recorded] == ["b" * 16] * flag
    assert all(int(span.span_id, 16) == int(span_id, 16) for span in otlp.recorded)


def websocket_scope(path: str) -> dict[str, Any]:
    """Return the scope of a WebSocket."""
    return {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "headers": [(b"host", b"app")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
    }


@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
async def test_a_websocket_has_one_span(otlp: Receiver, sampler: str) -> None:
    """A WebSocket that breaks is one span named by its route, made afterwards if not sampled."""
    app = FastAPI()

    @app.websocket("/chat/{room}")
    async def chat(socket: WebSocket, room: str) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        raise RuntimeError("the room burns")

    incoming = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}]
    sent: list[str] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = websocket_scope("/chat/blue")
    async with observed(app, otlp, sampler=sampler):
        with pytest.raises(RuntimeError):
            await app(scope, receive, send)
    assert sent == ["websocket.accept", "websocket.send"]
    (span,) = otlp.spans
    assert span.name == "WEBSOCKET /chat/{room}"
    assert span.kind == "server"
    assert span.error
    assert [event["exception.type"] for _, event in span.events] == ["RuntimeError"]
    assert ("etter.made_afterwards" in span.attributes) is (sampler == "always_off")


@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
async def test_a_websocket_that_the_client_closes_is_no_error(otlp: Receiver, sampler: str) -> None:
    """The exception that reports it leaves no error on the span and makes no late span."""
    app = FastAPI()

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            await socket.send_text(await socket.receive_text())

    incoming: list[dict[str, Any]] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "hi"},
        {"type": "websocket.disconnect", "code": 1001},
    ]

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        pass

    scope = websocket_scope("/echo")
    async with observed(app, otlp, sampler=sampler):
        with pytest.raises(WebSocketDisconnect):
            await app(scope, receive, send)
    assert [(span.name, span.error, span.events) for span in otlp.spans] == [
        ("WEBSOCKET /echo", False, [])
    ] * (sampler == "always_on")


async def test_an_exception_without_a_text_is_kept_too(otlp: Receiver) -> None:
    """An exception whose str() raises costs neither the answer, the count nor the span."""

    class Mute(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError("no text")

    app = FastAPI()

    @app.get("/mute")
    async def mute() -> None:
        raise Mute

    for sampler in ("always_on", "always_off"):
        async with observed(app, otlp, sampler=sampler) as client:
            assert (await client.get("/mute")).status_code == 500
            metrics = (await client.get("/metrics")).text
        assert 'etter_requests_total{method="GET",endpoint="/mute",status="500"} 1' in metrics
    assert [span.name for span in otlp.spans] == ["GET /mute"] * 2
    assert all(span.error for span in otlp.spans)


async def test_a_method_of_somebodys_own_names_no_span(otlp: Receiver) -> None:
    """An unknown method is HTTP in the name and _OTHER in the attribute, as the conventions ask."""
    async with observed(an_app(), otlp) as client:
        await client.request("HACK", "/items/7")
    assert otlp.named("HTTP /items/{item}").attributes["http.request.method"] == "_OTHER"


async def test_a_probe_of_a_mounted_app_leaves_no_span(otlp: Receiver) -> None:
    """The outer app, which learns only from the mounted one what it was, drops the span."""
    inner, outer = an_app(), FastAPI()
    outer.mount("/api", inner)
    async with observed(inner, otlp, apm_enabled=False), observed(outer, otlp) as client:
        for path in ("/api/health/ready", "/api/metrics", "/api/items/1"):
            assert (await client.get(path)).status_code == 200
    assert {span.name for span in otlp.spans} == {"GET /api/items/{item}", "look up"}


async def test_the_headers_that_the_environment_names_are_on_the_span(
    otlp: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry's variables choose headers of request and response; secrets stay hidden."""
    prefix = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS"
    monkeypatch.setenv(f"{prefix}_SERVER_REQUEST", "x-tenant,authorization,x-private")
    monkeypatch.setenv(f"{prefix}_SERVER_RESPONSE", "content-type")
    monkeypatch.setenv(f"{prefix}_SANITIZE_FIELDS", "x-private")
    headers = {"X-Tenant": "acme", "Authorization": "Bearer s3cr3t", "X-Private": "mine"}
    async with observed(an_app(), otlp) as client:
        await client.get("/items/7", headers)
    attributes = otlp.named("GET /items/{item}").attributes
    shown = {
        name.partition(".header.")[2]: [each.string_value for each in value.values]
        for name, value in attributes.items()
        if ".header." in name
    }
    assert shown["x_tenant"] == ["acme"]
    assert shown["x_private"] == ["[REDACTED]"]
    assert shown["content_type"] == ["application/json"]
    assert "s3cr3t" not in repr(otlp.spans)
