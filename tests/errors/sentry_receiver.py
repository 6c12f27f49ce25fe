"""A real HTTP receiver that takes Sentry's envelopes and parses them.

The format is https://develop.sentry.dev/sdk/data-model/envelopes/: a line of JSON headers, then
items, each a line of JSON headers and a payload of the length they say.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SentryReceiver:
    """What a project received, as parsed JSON; ``raw`` holds every byte of it."""

    def __init__(self) -> None:
        self.dsn = ""
        self.events: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.raw = b""


def parse_envelope(body: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Return the (headers, payload) of every item of an envelope."""
    headers, _, rest = body.partition(b"\n")
    assert isinstance(json.loads(headers), dict)
    items = []
    while rest.strip():
        line, _, rest = rest.partition(b"\n")
        header = json.loads(line)
        length = header.get("length", rest.find(b"\n"))
        items.append((header, rest[:length]))
        rest = rest[length:].removeprefix(b"\n")
    return items


@contextmanager
def sentry_receiver(status: int = 200) -> Iterator[SentryReceiver]:
    """Receive envelopes for project 42 on loopback, answering with ``status``."""
    received = SentryReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the base class's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/api/42/envelope/"
            received.raw += body
            received.authorizations.append(self.headers["X-Sentry-Auth"])
            for header, payload in parse_envelope(body):
                if header["type"] == "event":
                    received.events.append(json.loads(payload))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    received.dsn = f"http://publickey@127.0.0.1:{server.server_address[1]}/42"
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
