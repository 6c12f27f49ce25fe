"""Outgoing requests by httpx, to a real server."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakeredis import FakeRedis
from fastapi import FastAPI
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import Tracer, TracerProvider
from sqlalchemy import create_engine, text

from etter_obs import conventions
from etter_obs.logs.redaction import Redactor
from etter_obs.metrics.registry import MetricsRegistry
from etter_obs.settings import Settings
from etter_obs.tracing import Tracing
from etter_obs.tracing.httpx_client import MAX_HOSTS, instrument_httpx
from tests.services import Receiver, free_port
from tests.tracing.observed import observed


class Peer:
    """A server that notes the headers it gets and answers with the status in the path."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                peer.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(int(self.path.split("/")[1]))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Run a peer on loopback."""
    peer = Peer()
    threading.Thread(target=peer.server.serve_forever, daemon=True).start()
    yield peer
    peer.server.shutdown()
    peer.server.server_close()


def calling_app(url: str) -> FastAPI:
    """Return an app that asks the peer, with either kind of client."""
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
        endpoint=lambda scope: None,
    )
    undo = instrument_httpx(registry, tracing)
    assert httpx.HTTPTransport.handle_request is not before[0]
    undo()
    undo()
    after = (httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request)
    assert after == before
    tracing.close(5)


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
    """Statements, commands and calls of an unsampled request do not even ask for a span."""
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
