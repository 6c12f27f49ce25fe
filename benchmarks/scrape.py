"""What a scrape costs, and how long it keeps the event loop from everything else.

    python -m benchmarks.scrape [--repeat 5]

One process with 100, 1,000 and 10,000 series, and with 10,000 that the app makes by itself with
prometheus_client; then 1,000 series in each of 2, 8 and 32 workers, of which 100 were restarted
before. Beside it prometheus_client: ``generate_latest`` of its registry, and of its multi-process
collector over the files that such workers leave. "stall" is the longest time that the event loop
had to wait for its next turn while the scrape was made; both are the best of ``--repeat`` runs, so
that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from etter_obs._internal import conventions
from etter_obs._internal.metrics.exposition import MetricsEndpoint
from etter_obs._internal.metrics.registry import MetricsRegistry

RESTARTS = 100
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LINES = len(BUCKETS) + 3
"""Series of one label set of a histogram: its buckets, +Inf, the count and the sum."""


class Cost(NamedTuple):
    """One scrape: seconds in all, longest stall of the loop in seconds, bytes, files read."""

    seconds: float
    stall: float
    size: int
    files: int


def fill(registry: MetricsRegistry, series: int) -> None:
    """Have a registry hold about so many series."""
    family = registry.histogram(conventions.DB_QUERY_DURATION)
    for number in range(max(1, series // LINES)):
        family.child(f"kind-{number}").observe(0.02)


def make(series: int, folder: Path | None = None) -> MetricsRegistry:
    """Return a registry that holds about so many series."""
    registry = MetricsRegistry(
        "etter",
        series_cap=max(10_000, series),
        buckets={conventions.DB_QUERY_DURATION: BUCKETS},
        multiproc_dir=folder,
    )
    fill(registry, series)
    return registry


async def _watched(scrape: Callable[[], Any], files: int) -> Cost:
    longest = 0.0
    over = False

    async def watch() -> None:
        nonlocal longest
        before = time.perf_counter()
        while not over:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    start = time.perf_counter()
    size = await scrape()
    seconds = time.perf_counter() - start
    over = True
    await watching
    return Cost(seconds, longest, size, files)


def ours(registry: MetricsRegistry, files: int = 0) -> Cost:
    """Scrape a registry over ASGI."""
    endpoint = MetricsEndpoint(registry)

    async def scrape() -> int:
        size = 0

        async def send(message: Any) -> None:
            nonlocal size
            size += len(message.get("body", b""))

        async def receive() -> Any:
            return {}

        headers = [(b"accept", b"application/openmetrics-text")]
        await endpoint({"method": "GET", "headers": headers}, receive, send)
        return size

    return asyncio.run(_watched(scrape, files))


def theirs(registry: Any, files: int = 0) -> Cost:
    """Scrape a registry of prometheus_client's, as its ASGI app does: in the event loop."""
    from prometheus_client.openmetrics.exposition import generate_latest

    async def scrape() -> int:
        return len(generate_latest(registry))  # type: ignore[no-untyped-call]

    return asyncio.run(_watched(scrape, files))


def their_registry(series: int) -> Any:
    """Return a registry of prometheus_client's that holds about so many series."""
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    their_family(series, registry)
    return registry


def their_family(series: int, registry: Any) -> Any:
    """Register a histogram of prometheus_client's with about so many series, and return it."""
    from prometheus_client import Histogram

    family = Histogram("db_seconds", "Time.", ["kind"], buckets=BUCKETS, registry=registry)
    for number in range(max(1, series // LINES)):
        family.labels(f"kind-{number}").observe(0.02)
    return family


def our_workers(folder: Path, workers: int, series: int) -> list[MetricsRegistry]:
    """Start so many workers, restart ``RESTARTS`` of them, and return those that live."""
    living = [make(series, folder) for _ in range(workers)]
    for number in range(RESTARTS):
        living[number % workers].close()
        living[number % workers] = make(series, folder)
    return living


def their_workers(folder: Path, workers: int, series: int, restarts: int = RESTARTS) -> Any:
    """Leave the files that so many workers of prometheus_client's leave after the restarts."""
    code = f"from benchmarks.scrape import their_registry; their_registry({series})"
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
    (made,) = folder.glob("histogram_*.db")
    for number in range(workers + restarts - 1):
        shutil.copy(made, folder / f"histogram_{1_000_000 + number}.db")
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry


def best(measure: Callable[[], Cost], repeat: int) -> Cost:
    """Return the lowest time and the lowest stall of some runs."""
    costs = [measure() for _ in range(repeat)]
    lowest = min(costs)
    return lowest._replace(stall=min(cost.stall for cost in costs))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scrape")
    parser.add_argument("--repeat", type=int, default=5)
    repeat: int = parser.parse_args().repeat
    table = Table(title="one scrape")
    for title in (
        "",
        "series",
        "files",
        "etter-obs",
        "its stall",
        "prometheus_client",
        "its stall",
    ):
        table.add_column(title, justify="left" if not title else "right")

    def row(what: str, series: int, mine: Cost, other: Cost) -> None:
        times = [f"{s * 1000:.1f} ms" for s in (mine[0], mine[1], other[0], other[1])]
        table.add_row(what, f"{series:,}", f"{mine.files} / {other.files}", *times)

    for series in (100, 1_000, 10_000):
        registry, other = make(series), their_registry(series)
        mine = best(lambda r=registry: ours(r), repeat)  # type: ignore[misc]
        row("one process", series, mine, best(lambda r=other: theirs(r), repeat))  # type: ignore[misc]
    from prometheus_client import REGISTRY

    registry, other, own = make(1), their_registry(10_000), their_family(10_000, REGISTRY)
    mine = best(lambda: ours(registry), repeat)
    row("one process, the app's own", 10_000, mine, best(lambda: theirs(other), repeat))
    REGISTRY.unregister(own)
    for workers in (2, 8, 32):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            living = our_workers(Path(one), workers, 1_000)
            files = len(list(Path(one).glob("worker-*")))
            mine = best(lambda r=living[0], f=files: ours(r, f), repeat)  # type: ignore[misc]
            registry_of_theirs = their_workers(Path(two), workers, 1_000)
            others = len(list(Path(two).iterdir()))
            peer = best(lambda r=registry_of_theirs, f=others: theirs(r, f), repeat)  # type: ignore[misc]
            row(f"{workers} workers, {RESTARTS} restarts", 1_000, mine, peer)
            for registry in living:
                registry.close()
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
