"""Servers that take telemetry and forget it, in a process of their own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.subjects import Sinks


class _Forget(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def _serve(pipe: Connection) -> None:
    import grpc

    class Accept(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    grpc_server = grpc.server(ThreadPoolExecutor(2), handlers=[Accept()])
    port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Forget)
    pipe.send((f"127.0.0.1:{port}", f"http://key@127.0.0.1:{http.server_port}/1"))
    http.serve_forever()


@contextmanager
def forgetful_servers() -> Iterator[Sinks]:
    """Run an OTLP (gRPC) and a Sentry receiver for the length of the block."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Sinks(*ours.recv())
    finally:
        process.terminate()
        process.join()
