"""A service with as many routes as one likes that has only metrics, each a line in time.

The value at any moment follows from the moment, so that a written history and live scrapes agree.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PER_SECOND = 2.0
"""Requests a second of each route."""
SHARES = (("200", "2xx", 0.989), ("404", "4xx", 0.01), ("500", "5xx", 0.001))
SLOW = 0.02


def series(routes: int) -> Iterator[tuple[str, float]]:
    """Each series without its common labels, and how much it grows a second."""
    for route in range(routes):
        for status, class_, share in SHARES:
            rate = PER_SECOND * share
            where = f'method="GET",endpoint="/route/{route}"'
            yield f'etter_requests_total{{{where},status="{status}"', rate
            histogram = f'{{{where},status_class="{class_}"'
            name = "etter_request_duration_seconds"
            yield f"{name}_count{histogram}", rate
            yield f'{name}_bucket{histogram},le="0.5"', rate * (1 - SLOW)
            yield f'{name}_bucket{histogram},le="+Inf"', rate


def exposition(routes: int, start: int, end: int) -> Iterator[str]:
    """OpenMetrics text of every series from ``start`` to ``end``, one value each 15 s."""
    common = ',job="bench",environment="bench",instance="bench"}'
    for name, rate in series(routes):
        yield "".join(
            f"{name}{common} {int(rate * (at - start))} {at}\n" for at in range(start, end, 15)
        )


class Exporter:
    """Serves the same series live, on a free loopback port."""

    def __init__(self, routes: int, start: int) -> None:
        listed = list(series(routes))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                since = time.time() - start
                body = "".join(f"{name}}} {int(rate * since)}\n" for name, rate in listed).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Exporter:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
