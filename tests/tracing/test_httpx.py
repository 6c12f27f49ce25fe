"""Outgoing requests by httpx, to a real server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakeredis import FakeRedis
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import Tracer, TracerProvider
from sqlalchemy import create_engine, text

from demo.databases import free_port
from etter_obs import setup_observability
from etter_obs._internal import conventions
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.redaction.redactor import Redactor
from etter_obs._internal.settings import Settings
from etter_obs._internal.tracing import Tracing
from etter_obs._internal.tracing.httpx_client import MAX_HOSTS, instrument_httpx
from etter_obs._internal.tracing.outgoing import merged
from tests.http_server import Call, http_server
from tests.services import Receiver
from tests.tracing.observed import Client, observed, settings_for


class Peer:
    """A server that notes the headers it gets and answers with the status in the path."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def answer(self, call: Call) -> tuple[int, bytes]:
        """Answer one request."""
        self.headers.append(call.headers)
        return int(call.path.split("/")[1]), b""


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Run a peer on loopback."""
    peer = Peer()
    with http_server(peer.answer) as peer.url:
        yield peer


def calling_app(url: str) -> FastAPI:
    """Return an app that calls the peer, with either kind of client."""
    app = FastAPI()

    @app.get("/sync")
    def sync() -> None:
        with httpx.Client(trust_env=False) as client:
            client.get(f"{url}/200/?token=s3cr3t-in-query")

    @app.get("/async")
    async def asynchronous() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"{url}/200/?token=s3cr3t-in-query")

    return app


@pytest.mark.parametrize("path", ["/sync", "/async"])
async def test_a_sampled_trace_goes_on_in_the_peer(otlp: Receiver, peer: Peer, path: str) -> None:
    """The peer gets the trace id and the client span's id, and the span is the request's child."""
    async with observed(calling_app(peer.url), otlp) as client:
        await client.get(path)
    server = otlp.named(f"GET {path}")
    call = otlp.named("GET")
    assert call.kind == "client"
    assert (call.trace_id, call.parent_id) == (server.trace_id, server.span_id)
    assert call.attributes["http.response.status_code"] == 200
    _, trace_id, span_id, flags = peer.headers[0]["traceparent"].split("-")
    assert (trace_id, span_id, int(flags, 16) & 1) == (call.trace_id, call.span_id, 1)
    assert "s3cr3t" not in repr(otlp.spans)


@pytest.mark.parametrize("path", ["/sync", "/async"])
async def test_an_unsampled_trace_goes_on_without_a_span(
    otlp: Receiver, peer: Peer, path: str
) -> None:
    """The peer gets the trace id, flags 00 and the baggage, and nothing is exported."""
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00", "baggage": "tenant=7"}
    async with observed(calling_app(peer.url), otlp) as client:
        await client.get(path, headers)
    assert otlp.recorded == []
    assert peer.headers[0]["traceparent"].startswith(f"00-{'a' * 32}-")
    assert peer.headers[0]["traceparent"].endswith("-00")
    assert peer.headers[0]["baggage"] == "tenant=7"


TRACING: dict[str, dict[str, Any]] = {
    "nothing": {"apm_enabled": False},
    "unsampled": {"sampler": "always_off"},
    "sampled": {"sampler": "always_on"},
}
"""What a service does with its own traces: settings by their effect."""


def forwarding_app(url: str, **headers: str) -> FastAPI:
    """Return an app whose calls carry ``headers``, sent twice each, as another library would."""
    app = FastAPI()

    @app.get("/sync")
    def sync() -> None:
        with httpx.Client(trust_env=False) as client:
            request = client.build_request("GET", f"{url}/200/", headers=headers)
            client.send(request)
            client.send(request)

    @app.get("/async")
    async def asynchronous() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            request = client.build_request("GET", f"{url}/200/", headers=headers)
            await client.send(request)
            await client.send(request)

    return app


@pytest.mark.parametrize("path", ["/sync", "/async"])
@pytest.mark.parametrize("tracing", TRACING)
async def test_baggage_of_others_stays_and_ours_joins_it(
    otlp: Receiver, peer: Peer, tracing: str, path: str
) -> None:
    """Members that a call has already arrive as they are, then the caller's whose keys are new."""
    theirs = "sentry-trace_id=1;p=a b, sentry-environment = prod"
    app = forwarding_app(peer.url, baggage=theirs)
    async with observed(app, otlp, **TRACING[tracing]) as client:
        await client.get(path, {"baggage": "tenant=acme,sentry-environment=theirs"})
        await client.get(path, {"baggage": "tenant=other"})
        await client.get(path)
    assert [headers["baggage"] for headers in peer.headers] == [
        *(f"{theirs},tenant=acme",) * 2,
        *(f"{theirs},tenant=other",) * 2,
        *(theirs,) * 2,
    ]


def test_baggage_of_ours_yields_to_the_limits_of_w3c() -> None:
    """Past 180 members or 8192 bytes nothing is added, and nothing of the others' is cut."""
    full = ",".join(f"k{n}=v" for n in range(179))
    assert merged(full, "a=1,b=2") == f"{full},a=1"
    assert merged(f"{full},x=1,y=2", "a=1") == f"{full},x=1,y=2"
    long = "k=" + "v" * 8_180
    assert merged(long, "a=12345678,b=1,c=123456,d=1") == f"{long},b=1,d=1"
    assert merged(long * 2, "a=1") == long * 2
    assert merged(" ", "a=1") == "a=1"


@pytest.mark.parametrize("path", ["/sync", "/async"])
@pytest.mark.parametrize("tracing", TRACING)
async def test_a_trace_of_another_library_goes_on(
    otlp: Receiver, peer: Peer, tracing: str, path: str
) -> None:
    """A call that carries another trace keeps it; one that hands on ours gets the nearer parent."""
    other = f"00-{'c' * 32}-{'d' * 16}-01"
    inbound = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00", "tracestate": "ours=1"}
    app = forwarding_app(peer.url, traceparent=other)
    async with observed(app, otlp, **TRACING[tracing]) as client:
        await client.get(path, inbound)
    assert [headers["traceparent"] for headers in peer.headers] == [other, other]
    assert not any("tracestate" in headers for headers in peer.headers)
    app = forwarding_app(peer.url, traceparent=other, tracestate="theirs=2")
    async with observed(app, otlp, **TRACING[tracing]) as client:
        await client.get(path, inbound)
    assert peer.headers[-1]["tracestate"] == "theirs=2"
    peer.headers.clear()
    async with observed(forwarding_app(peer.url, **inbound), otlp, **TRACING[tracing]) as client:
        await client.get(path, inbound)
    for headers in peer.headers:
        _, trace_id, parent, _ = headers["traceparent"].split("-")
        assert trace_id == "a" * 32
        assert (parent == "b" * 16) is (tracing == "nothing")
        assert headers["tracestate"] == "ours=1"


@pytest.mark.parametrize("path", ["/sync", "/async"])
async def test_a_service_that_traces_nothing_makes_no_trace_up(
    otlp: Receiver, peer: Peer, path: str
) -> None:
    """Baggage without a trace goes on without a trace; a caller's trace goes on as it came."""
    async with observed(calling_app(peer.url), otlp, apm_enabled=False) as client:
        await client.get(path, {"baggage": "tenant=acme"})
        await client.get(path, {"baggage": "tenant=acme", "traceparent": "00-nonsense"})
        traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
        await client.get(path, {"traceparent": traceparent})
    assert [headers.get("baggage") for headers in peer.headers] == ["tenant=acme"] * 2 + [None]
    assert [h.get("traceparent") for h in peer.headers] == [None, None, traceparent]


async def test_a_foreign_span_stays_current_where_nothing_is_traced(
    otlp: Receiver, peer: Peer
) -> None:
    """Under another library's span, a request with baggage alone goes on in that span's trace."""
    tracer = TracerProvider().get_tracer("theirs")
    async with observed(calling_app(peer.url), otlp, apm_enabled=False) as client:
        with tracer.start_as_current_span("outer") as span:
            await client.get("/async", {"baggage": "tenant=acme"})
    assert (
        peer.headers[0]["traceparent"].split("-")[1] == f"{span.get_span_context().trace_id:032x}"
    )
    assert peer.headers[0]["baggage"] == "tenant=acme"


def test_calls_are_timed_and_failures_counted(
    peer: Peer, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """Answers are in the series of their status, calls without one in that of their exception."""
    undo = instrument_httpx(registry, no_tracing)
    with httpx.Client(trust_env=False) as client:
        client.get(f"{peer.url}/200/")
        client.get(f"{peer.url}/503/")
        client.request("BREW", f"{peer.url}/200/")
        with pytest.raises(httpx.ConnectError):
            client.get(f"http://127.0.0.1:{free_port()}/")

    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"{peer.url}/404/")

    asyncio.run(ask())
    undo()
    with httpx.Client(trust_env=False) as client:
        client.get(f"{peer.url}/200/")
    durations = registry.histogram(conventions.CLIENT_DURATION)
    errors = registry.counter(conventions.CLIENT_ERRORS)
    assert durations.child("GET", "127.0.0.1", "2xx").count == 1
    assert durations.child("GET", "127.0.0.1", "4xx").count == 1
    assert durations.child("GET", "127.0.0.1", "5xx").count == 1
    assert durations.child("_OTHER", "127.0.0.1", "5xx").count == 1  # http.server knows no BREW
    assert errors.child("GET", "127.0.0.1", "ConnectError").value == 1


def test_hosts_that_users_give_do_not_grow_the_metrics(
    registry: MetricsRegistry, no_tracing: Tracing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the limit, further hosts share one series."""
    closed = free_port()
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *args, **kw: resolve("127.0.0.1", *args, **kw)
    )
    undo = instrument_httpx(registry, no_tracing)
    with httpx.Client(trust_env=False) as client:
        for n in range(MAX_HOSTS + 5):
            with pytest.raises(httpx.ConnectError):
                client.get(f"http://host-{n}.example:{closed}/")
    undo()
    errors = registry.counter(conventions.CLIENT_ERRORS)
    assert errors.child("GET", conventions.OVERFLOW, "ConnectError").value == 5
    assert len(errors) == MAX_HOSTS + 1


def test_undo_gives_the_transports_their_methods_back(
    otlp: Receiver, registry: MetricsRegistry
) -> None:
    """After the undo httpx is as it was, however often it is called."""
    before = (httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request)
    tracing = Tracing(
        Settings(apm_enabled=True, otlp_endpoint=otlp.endpoint),
        service="service",
        environment="test",
        registry=registry,
        redactor=Redactor(),
    )
    undo = instrument_httpx(registry, tracing)
    assert httpx.HTTPTransport.handle_request is not before[0]
    undo()
    undo()
    after = (httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request)
    assert after == before
    tracing.close(5)


def calls_in(registry: MetricsRegistry) -> float:
    """Return the calls that were answered, as a registry counts them."""
    return registry.histogram(conventions.CLIENT_DURATION).child("GET", "127.0.0.1", "2xx").count


def test_hundreds_of_apps_patch_httpx_once(peer: Peer, no_tracing: Tracing) -> None:
    """A call with 600 apps alive goes through one layer and counts once, in the newest one."""
    registries = [MetricsRegistry("etter") for _ in range(600)]
    undos = [instrument_httpx(registry, no_tracing) for registry in registries]
    with httpx.Client(trust_env=False) as client:
        client.get(f"{peer.url}/200/")
        assert [calls_in(registry) for registry in registries[-3:]] == [0, 0, 1]
        for undo in undos[1:]:
            undo()
        client.get(f"{peer.url}/200/")
        assert [calls_in(registry) for registry in (registries[0], registries[-1])] == [1, 1]
        undos[0]()


def test_what_wraps_the_patch_finds_one_layer_however_many_apps_come(
    peer: Peer, no_tracing: Tracing
) -> None:
    """Another library's patch over ours stays, and apps that come and go add nothing below it."""
    before = httpx.HTTPTransport.handle_request
    first = instrument_httpx(MetricsRegistry("etter"), no_tracing)
    wrapped, depths = httpx.HTTPTransport.handle_request, []

    def theirs(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        return wrapped(self, request)

    httpx.HTTPTransport.handle_request = theirs  # type: ignore[method-assign]
    try:
        first()
        with httpx.Client(trust_env=False) as client:
            for _ in range(20):
                registry = MetricsRegistry("etter")
                undo = instrument_httpx(registry, no_tracing)
                client.get(f"{peer.url}/200/")
                depths.append(calls_in(registry))
                undo()
        assert httpx.HTTPTransport.handle_request is theirs
    finally:
        httpx.HTTPTransport.handle_request = wrapped  # type: ignore[method-assign]
        instrument_httpx(MetricsRegistry("etter"), no_tracing)()
    assert set(depths) == {1}
    assert httpx.HTTPTransport.handle_request is before


async def test_the_older_app_that_ends_leaves_the_newer_one_its_spans(
    otlp: Receiver, peer: Peer
) -> None:
    """Apps may end in any order: calls of those left are traced, and so is what they make."""
    first, second = calling_app(peer.url), calling_app(peer.url)
    older, newer = (
        setup_observability(app, settings=settings_for(otlp)) for app in (first, second)
    )
    assert trace.get_tracer_provider() is newer.tracing.provider
    await asyncio.to_thread(older.shutdown)
    assert trace.get_tracer_provider() is newer.tracing.provider
    await Client(second, newer).get("/sync")
    third = setup_observability(first, settings=settings_for(otlp))
    assert trace.get_tracer_provider() is third.tracing.provider
    await asyncio.to_thread(third.shutdown)
    assert trace.get_tracer_provider() is newer.tracing.provider
    await asyncio.to_thread(newer.shutdown)
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    call = otlp.named("GET")
    assert call.parent_id == otlp.named("GET /sync").span_id


async def test_the_users_own_instrumentation_stays(
    otlp: Receiver, peer: Peer, registry: MetricsRegistry
) -> None:
    """Where the user has instrumented httpx, their spans and headers go on, and come once."""
    theirs = TracerProvider()
    HTTPXClientInstrumentor().instrument(tracer_provider=theirs)
    try:
        async with observed(calling_app(peer.url), otlp, sampler="always_off") as client:
            await client.get("/sync")
        await asyncio.to_thread(httpx.get, f"{peer.url}/200/", trust_env=False)
        assert HTTPXClientInstrumentor().is_instrumented_by_opentelemetry
    finally:
        HTTPXClientInstrumentor().uninstrument()
    assert [len(headers["traceparent"]) for headers in peer.headers] == [55, 55]
    assert otlp.recorded == []


async def test_an_unsampled_request_enters_no_instrumentation(
    otlp: Receiver, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements, commands and calls of an unsampled request create no span."""
    asked: list[str] = []
    start_span = Tracer.start_span

    def spy(self: Tracer, name: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(name)
        return start_span(self, name, *args, **kwargs)

    monkeypatch.setattr(Tracer, "start_span", spy)
    engine = create_engine(f"sqlite:///{tmp_path}/test.db")
    redis = FakeRedis()
    app = calling_app(peer.url)

    @app.get("/all")
    def everything() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        redis.set("key", "value")
        with httpx.Client(trust_env=False) as client:
            client.get(f"{peer.url}/200/")

    parts = {"engine": engine, "redis": redis}
    async with observed(app, otlp, sampler="always_off", **parts) as client:
        assert (await client.get("/all")).status_code == 200
    assert asked == []
    async with observed(app, otlp, **parts) as client:
        await client.get("/all")
    assert len(asked) == 4
    engine.dispose()
