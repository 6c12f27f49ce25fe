"""Real OTLP receivers on loopback: they take what the exporters send and keep it parsed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import (
    LogsServiceServicer,
    add_LogsServiceServicer_to_server,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tests.http_server import Call, http_server


class Received:
    """Requests of one receiver, newest last."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.requests: list[ExportLogsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.refusals = 0
        """How many requests are still to be refused, as a receiver does that is overloaded."""

    def records(self) -> list[LogRecord]:
        """Return every record received."""
        return [
            record
            for request in list(self.requests)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def resource(self) -> dict[str, str]:
        """Return the attributes of the first resource."""
        attributes = self.requests[0].resource_logs[0].resource.attributes
        return {item.key: item.value.string_value for item in attributes}


class _Servicer(LogsServiceServicer):
    def __init__(self, received: Received) -> None:
        self._received = received

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's own name
        """Keep the request, or refuse it."""
        self._received.headers.append(dict(context.invocation_metadata()))
        if self._received.refusals:
            self._received.refusals -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
        self._received.requests.append(request)
        return ExportLogsServiceResponse()


@contextmanager
def grpc_receiver() -> Iterator[Received]:
    """Receive over gRPC."""
    received = Received()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    add_LogsServiceServicer_to_server(_Servicer(received), server)  # type: ignore[no-untyped-call]
    received.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield received
    finally:
        server.stop(0.2).wait()


@contextmanager
def http_receiver() -> Iterator[Received]:
    """Receive over HTTP, at /v1/logs alone."""
    received = Received()

    def answer(call: Call) -> tuple[int, bytes]:
        received.headers.append(call.headers)
        status = 200 if call.path == "/v1/logs" else 404
        if received.refusals:
            received.refusals -= 1
            status = 503
        if status == 200:
            received.requests.append(ExportLogsServiceRequest.FromString(call.body))
        return status, b""

    with http_server(answer) as received.endpoint:
        yield received


@contextmanager
def hanging_receiver() -> Iterator[str]:
    """Accept connections and never answer; yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        open_ones: list[socket.socket] = []
        stop = threading.Event()
        listener.settimeout(0.1)

        def accept() -> None:
            while not stop.is_set():
                try:
                    open_ones.append(listener.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()
            for connection in open_ones:
                connection.close()
