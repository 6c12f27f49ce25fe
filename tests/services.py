"""Real servers on loopback for the tests: PostgreSQL, Redis (Valkey), a receiver of OTLP traces."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from demo.databases import Postgres as Postgres
from demo.databases import Redis as Redis
from demo.databases import free_port as free_port
from demo.databases import running
from tests.http_server import Call, http_server
from tests.waiting import eventually


@dataclass
class Received:
    """A received span."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    start_ns: int
    end_ns: int
    error: bool
    status_text: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    resource: dict[str, Any]
    scope: str


@dataclass
class Receiver:
    """Takes OTLP traces; ``release`` cleared: accepts calls and does not answer them."""

    endpoint: str = ""
    spans: list[Received] = field(default_factory=list)
    calls: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """Of the last call, names in lower case."""
    release: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.release.set()

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Store the spans of a request as soon as ``release`` is set."""
        self.calls += 1
        self.release.wait()
        for resource in request.resource_spans:
            about = _plain(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_received(span, about, scope.scope.name) for span in scope.spans]

    @property
    def recorded(self) -> list[Received]:
        """The spans that were recorded, not made afterwards: a slow machine may leave some."""
        return [span for span in self.spans if "etter.made_afterwards" not in span.attributes]

    def named(self, name: str) -> Received:
        """Return the only span of that name, waiting for it."""
        found = eventually(
            lambda: [span for span in self.spans if span.name == name],
            deadline_s=15,
            every_s=0.02,
            tell=lambda: [span.name for span in self.spans],
        )
        assert len(found) == 1, found
        return found[0]


def _plain(attributes: Any) -> dict[str, Any]:
    def value(pair: KeyValue) -> Any:
        return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")

    return {pair.key: value(pair) for pair in attributes}


def _received(span: Span, resource: dict[str, Any], scope: str) -> Received:
    return Received(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        error=span.status.code == 2,
        status_text=span.status.message,
        attributes=_plain(span.attributes),
        events=[(event.name, _plain(event.attributes)) for event in span.events],
        resource=resource,
        scope=scope,
    )


@contextmanager
def otlp_grpc_receiver() -> Iterator[Receiver]:
    """Run a gRPC server of the OTLP trace service."""
    receiver = Receiver()

    class Service(TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            receiver.headers = dict(context.invocation_metadata())
            receiver.take(request)
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4))
    add_TraceServiceServicer_to_server(Service(), server)  # type: ignore[no-untyped-call]
    receiver.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.stop(0).wait(5)


@contextmanager
def otlp_http_receiver() -> Iterator[Receiver]:
    """Run an HTTP server that takes OTLP traces as protobuf at /v1/traces."""
    receiver = Receiver()

    def answer(call: Call) -> tuple[int, bytes]:
        assert call.path == "/v1/traces"
        receiver.headers = call.headers
        receiver.take(ExportTraceServiceRequest.FromString(call.body))
        return 200, b""

    with http_server(answer) as receiver.endpoint:
        try:
            yield receiver
        finally:
            receiver.release.set()


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the whole session."""
    with running(Postgres) as server:
        yield server


@pytest.fixture
def postgres(shared_postgres: Postgres) -> Iterator[Postgres]:
    """The session's PostgreSQL; a test may stop or freeze it; it runs again for the next test."""
    yield shared_postgres
    if not shared_postgres.answers():
        shared_postgres.stop()
        shared_postgres.start()


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """Run an empty Redis (Valkey) for the test."""
    with running(Redis) as server:
        yield server


@pytest.fixture
def otlp() -> Iterator[Receiver]:
    """Take OTLP traces over gRPC."""
    with otlp_grpc_receiver() as receiver:
        yield receiver
