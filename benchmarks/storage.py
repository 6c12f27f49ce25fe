"""What a sample takes on Prometheus's disk, and an access line on Loki's.

\b
  python -m benchmarks.storage
  python -m benchmarks.storage --routes 20 --lines 20000 --markdown

Samples: an app of so many routes answers requests of varying duration, and what it exposes after
every fifty of them is written as a scrape, one each 15 seconds for two hours: a block, as
Prometheus keeps it. Lines: access lines with ids and times of their own are sent to the real Loki
with the shipped configuration, and its chunks are written.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import click
import httpx
from fastapi import FastAPI
from rich.progress import track
from rich.table import Table

from benchmarks.access_line import FIELDS
from benchmarks.tables import show
from etter_obs import setup_observability
from etter_obs._internal.logs.otlp_wire import Encoder, request
from stack.build import binary
from stack.native import running

SCRAPE, BLOCK = 15, 2 * 3600
REQUESTS = 50
"""Requests between two scrapes."""
DAY = 86400
BATCH = 500
FLUSHED_WITHIN = 120.0


def make_app(routes: int) -> FastAPI:
    """Return an app whose routes each take a time of their own, one of a thousand with an error."""
    app, chance = FastAPI(), random.Random(0)
    for number in range(routes):

        @app.get(f"/resource-{number}/{{item}}", name=f"read_{number}")
        async def read(item: int) -> dict[str, int]:
            await asyncio.sleep(chance.lognormvariate(-5.5, 1.0))
            if chance.random() < 0.001:
                raise RuntimeError("as it happens")
            return {"id": item}

    setup_observability(app)
    return app


async def scrapes(app: FastAPI, routes: int) -> list[list[str]]:
    """Return what the app exposes after every fifty requests: the samples' lines."""
    chance = random.Random(1)
    found: list[list[str]] = []
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for _ in track(range(BLOCK // SCRAPE), "scrapes"):
            paths = [f"/resource-{chance.randrange(routes)}/7" for _ in range(REQUESTS)]
            await asyncio.gather(*map(client.get, paths))
            text = (await client.get("/metrics")).text
            found.append([line for line in text.splitlines() if not line.startswith("#")])
    return found


def on_prometheus(routes: int, folder: Path) -> tuple[int, float]:
    """Return the series of the app, and the bytes of a sample."""
    file, end = folder / "samples.om", int(time.time()) // BLOCK * BLOCK
    series: set[str] = set()
    with file.open("w") as out:
        for number, lines in enumerate(asyncio.run(scrapes(make_app(routes), routes))):
            for line in lines:
                series.add(line.rpartition(" ")[0])
                out.write(f"{line} {end - BLOCK + number * SCRAPE}\n")
        out.write("# EOF\n")
    made = [str(binary("promtool")), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
    subprocess.run([*made, str(file), str(folder / "data")], check=True)
    metas = list((folder / "data").glob("*/meta.json"))
    samples = sum(json.loads(meta.read_text())["stats"]["numSamples"] for meta in metas)
    return len(series), _size(folder / "data") / samples


def access_line(encoder: Encoder, chance: random.Random) -> bytes:
    """Return an access line as the app sends it."""
    now = time.time_ns()
    fields = FIELDS | {
        "request_id": uuid.UUID(int=chance.getrandbits(128)).hex,
        "trace_id": uuid.UUID(int=chance.getrandbits(128)).hex,
        "span_id": f"{chance.getrandbits(64):016x}",
        "trace_sampled": chance.random() < 0.1,
        "method": chance.choice(("GET", "GET", "GET", "POST")),
        "endpoint": f"/resource-{chance.randrange(20)}/{{item}}",
        "path": f"/resource-{chance.randrange(20)}/{chance.randrange(100_000)}",
        "duration_ms": round(1000 * chance.lognormvariate(-4, 1), 3),
        "client_ip": f"192.0.2.{chance.randrange(256)}",
    }
    return encoder.record(now, now, {}, fields)


def on_loki(lines: int, folder: Path) -> float:
    """Return the bytes of a line."""
    encoder, chance = Encoder(), random.Random(2)
    resource = {"service.name": "shop", "deployment.environment.name": "production"}
    with running(folder, only=("loki",)) as stack:
        for _ in track(range(lines // BATCH), "lines"):
            batch = [access_line(encoder, chance) for _ in range(BATCH)]
            sent = httpx.post(
                f"{stack.loki}/otlp/v1/logs",
                content=request(resource, "etter_obs.logs", batch),
                headers={"content-type": "application/x-protobuf"},
                timeout=30,
            )
            sent.raise_for_status()
        httpx.post(f"{stack.loki}/flush", timeout=60).raise_for_status()
        deadline = time.monotonic() + FLUSHED_WITHIN
        while _in_memory(stack.loki):
            if time.monotonic() > deadline:
                raise click.ClickException(f"Loki keeps chunks in memory; see {folder}/logs")
            time.sleep(0.5)
        return _size(folder / "data/loki/chunks") / lines


def _in_memory(loki: str) -> float:
    """Return how many chunks Loki has not written."""
    for line in httpx.get(f"{loki}/metrics", timeout=30).text.splitlines():
        if line.startswith("loki_ingester_memory_chunks "):
            return float(line.split()[1])
    return 0.0


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@click.command(help=__doc__)
@click.option("--routes", default=20, show_default=True, help="Routes of the app.")
@click.option("--lines", default=100_000, show_default=True, help="Access lines for Loki.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
def main(routes: int, lines: int, markdown: bool) -> None:
    """Measure and print."""
    os.environ["LOG_LEVEL"] = "CRITICAL"
    table = Table(title="bytes on disk")
    for title in ("what", "bytes each", "a day"):
        table.add_column(title, justify="left" if title == "what" else "right")
    with tempfile.TemporaryDirectory() as folder:
        series, sample = on_prometheus(routes, Path(folder))
        line = on_loki(lines, Path(folder) / "loki")
    table.add_row(
        f"sample, of {series:,} series of an instance with {routes} routes",
        f"{sample:.2f}",
        f"{series * DAY / SCRAPE * sample / 2**20:.0f} MB",
    )
    table.add_row(
        "access line, at 10 requests a second", f"{line:.0f}", f"{10 * DAY * line / 2**20:.0f} MB"
    )
    show(table, markdown=markdown)


if __name__ == "__main__":
    main()
