"""What the console costs: the time of a request and the memory of the process, on and off.

    python -m benchmarks.console [--requests 100000]

Two processes serve the same route, one with the console and one without, and take turns of a tenth
of the requests. A request runs three statements on SQLite in memory and logs a line; both processes
write their lines to the null device. The time is the CPU time of the whole process per request:
the lowest of the ten turns, because other work on the machine only ever adds to it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from rich.console import Console as Terminal
from rich.progress import track
from rich.table import Table

from benchmarks.processes import call_app

_TURNS: Final = 10
_MIB: Final = 1 << 20


def _make_app(on: bool) -> Any:
    from fastapi import FastAPI
    from sqlalchemy import create_engine, text

    from etter_obs import Settings, get_logger, setup_observability

    app = FastAPI()
    engine = create_engine("sqlite://")
    log = get_logger("shop")

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, int]:
        with engine.connect() as connection:
            for number in range(3):
                connection.execute(text("SELECT :number"), {"number": number})
        log.info("item was read", item=item_id)
        return {"id": item_id}

    setup_observability(app, engine=engine, settings=Settings(console=on))
    return app


async def _serve(pipe: Connection, on: bool) -> None:
    app = _make_app(on)
    served = 0
    while (count := await asyncio.to_thread(pipe.recv)) is not None:
        # A new path each time, as real ids give.
        targets = [f"/items/{number}" for number in range(served, served + count)]
        served += count
        start = time.process_time()
        await call_app(app, targets, at_once=1)
        pipe.send(((time.process_time() - start) / count, _resident_bytes()))


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _run(pipe: Connection, on: bool) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    asyncio.run(_serve(pipe, on))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console")
    parser.add_argument("--requests", type=int, default=100_000)
    count = parser.parse_args().requests // _TURNS
    context = multiprocessing.get_context("spawn")
    pipes: dict[bool, Connection] = {}
    for on in (False, True):
        pipes[on], theirs = context.Pipe()
        context.Process(target=_run, args=(theirs, on), daemon=True).start()
        pipes[on].send(1_000)  # warm
        pipes[on].recv()
    turns: dict[bool, list[tuple[float, int]]] = {False: [], True: []}
    for _ in track(range(_TURNS), description="turns"):
        for on, pipe in pipes.items():
            pipe.send(count)
            turns[on].append(pipe.recv())
    table = Table(title=f"{count * _TURNS:,} requests")
    for title in ("console", "CPU of a request", "memory after a tenth", "after all"):
        table.add_column(title, justify="right")
    for on, measured in turns.items():
        table.add_row(
            "on" if on else "off",
            f"{min(seconds for seconds, _ in measured) * 1e6:.0f} µs",
            f"{measured[0][1] / _MIB:.0f} MiB",
            f"{measured[-1][1] / _MIB:.0f} MiB",
        )
    Terminal().print(table)


if __name__ == "__main__":
    main()
