"""How long the page of metrics is before the first request, by the app's routes.

    python -m benchmarks.page

Apps of 200 and 500 routes, of 500 with two methods each, and a proxy of 500 routes that hand on
eight methods.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

from etter_obs import Settings, setup_observability

_EIGHT = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]
APPS = ((200, ["GET"]), (500, ["GET"]), (500, ["GET", "POST"]), (500, _EIGHT))


async def answer() -> None:
    """Answer nothing."""


async def page(routes: int, methods: list[str]) -> bytes:
    """Return what ``/metrics`` of such an app shows first."""
    app = FastAPI()
    for number in range(routes):
        path = f"/api/v1/things-{number}/{{identifier}}"
        app.add_api_route(path, answer, methods=methods, include_in_schema=False)
    observability = setup_observability(app, settings=Settings(log_level="ERROR"))
    body = b""

    async def send(message: Any) -> None:
        nonlocal body
        body += message.get("body", b"")

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": []}
    await app({**scope, "query_string": b"", "root_path": ""}, receive, send)
    observability.shutdown()
    return body


def main() -> None:
    """Measure and print."""
    table = Table(title="/metrics before the first request")
    for title in ("routes", "methods", "samples", "size", "compressed"):
        table.add_column(title, justify="right")
    for routes, methods in APPS:
        text = asyncio.run(page(routes, methods))
        samples = sum(not line.startswith(b"#") for line in text.splitlines())
        row = (
            f"{samples:,}",
            f"{len(text) / 1e6:.2f} MB",
            f"{len(gzip.compress(text)) / 1e3:.0f} kB",
        )
        table.add_row(str(routes), str(len(methods)), *row)
    Console(width=90).print(table)


if __name__ == "__main__":
    main()
