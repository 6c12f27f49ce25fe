"""A webhook receiver: stores what Alertmanager delivers and returns it to HTTP clients.

python -m demo.receiver [--host HOST] [--port PORT]
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

from etter_obs._internal.conventions import Label

_MAX_BODY = 4 << 20
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert of one notification. ``received`` is a Unix time; status is firing or resolved."""

    received: float
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    ends_at: str

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.labels.get("alertname", "")

    @property
    def slo(self) -> str:
        """The SLO that it belongs to, empty if it belongs to none."""
        return self.labels.get(Label.SLO, "")


class Receiver:
    """Listens on ``host:port`` within the block. Port 0 takes any free port."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._deliveries: list[Delivery] = []
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self.url = f"http://{host}:{self._server.server_address[1]}/alerts"
        """Where Alertmanager posts, and where GET returns what it has posted."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve in the foreground."""
        self._server.serve_forever()

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything delivered so far, oldest first."""
        return list(self._deliveries)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                if not 0 < length <= _MAX_BODY:
                    self._answer(413, b"")
                    return
                try:
                    alerts = json.loads(self.rfile.read(length))["alerts"]
                    receiver._deliveries += [_delivery(alert) for alert in alerts]
                except (ValueError, KeyError, TypeError):
                    self._answer(400, b"")
                    return
                del receiver._deliveries[:-_KEPT]
                self._answer(200, b"{}")

            def do_GET(self) -> None:
                told = [asdict(delivery) for delivery in receiver.deliveries]
                self._answer(200, json.dumps(told).encode())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing: the demo reports every delivery itself."""

        return Handler


def deliveries_at(url: str) -> list[Delivery]:
    """Return what the receiver at ``url`` has received so far. Raises httpx.HTTPError."""
    found: Iterable[dict[str, Any]] = httpx.get(url, timeout=5).raise_for_status().json()
    return [Delivery(**each) for each in found]


def _delivery(alert: dict[str, Any]) -> Delivery:
    return Delivery(
        time.time(),
        alert["status"],
        dict(alert["labels"]),
        dict(alert.get("annotations", {})),
        alert.get("startsAt", ""),
        alert.get("endsAt", ""),
    )


def main() -> None:
    """Run a receiver until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m demo.receiver")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9095)
    arguments = parser.parse_args()
    Receiver(arguments.host, arguments.port).serve_forever()


if __name__ == "__main__":
    main()
