"""An app under load in a process of its own, whose telemetry has nowhere to go."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
import time
from multiprocessing.connection import Connection
from typing import NamedTuple

CONCURRENT = 1_000


class Round(NamedTuple):
    """What one round of a thousand concurrent requests came to."""

    p99: float
    """Seconds."""
    memory: int
    """Largest resident size so far, in KiB."""
    dropped: dict[tuple[str, ...], float]
    """telemetry_dropped_total by signal and reason."""


def run(fault: str, collector: str, pipe: Connection) -> None:
    """Serve rounds: "none", "collector" (accepts and never answers) or "stdout" (never read)."""
    read_end, write_end = os.pipe()
    silent = socket.create_server(("127.0.0.1", 0), backlog=100)  # it accepts, no more
    if fault != "stdout":
        write_end = os.open(os.devnull, os.O_WRONLY)
    sys.stdout = os.fdopen(write_end, "w")
    if fault == "collector":
        collector = f"127.0.0.1:{silent.getsockname()[1]}"
    asyncio.run(_serve(fault, collector, pipe))
    os._exit(read_end and 0)


async def _serve(service: str, collector: str, pipe: Connection) -> None:
    from fastapi import FastAPI

    from etter_obs import Settings, get_logger, setup_observability
    from tests.app.asgi import request, scrape

    app = FastAPI()
    log = get_logger("faulty")

    @app.get("/work/{number}")
    async def work(number: int) -> int:
        log.info("working", number=number)
        await asyncio.sleep(0.01)
        return number

    setup_observability(
        app,
        settings=Settings(
            service_name=service,  # or the two would be taken for workers of one service
            apm_enabled=True,
            otlp_endpoint=collector,
            sampler="parentbased_always_on",
        ),
    )

    async def timed(number: int) -> float:
        start = time.perf_counter()
        answer = await request(app, "GET", f"/work/{number}")
        assert answer.status == 200
        return time.perf_counter() - start

    pipe.send("ready")
    while await asyncio.to_thread(pipe.recv):
        times = sorted(await asyncio.gather(*[timed(n) for n in range(CONCURRENT)]))
        dropped = (await scrape(app)).of("telemetry_dropped_total")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pipe.send(Round(times[CONCURRENT * 99 // 100], memory, dropped))
