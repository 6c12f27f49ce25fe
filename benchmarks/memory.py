"""What an observed app keeps in memory, beside the peers.

\b
  python -m benchmarks.memory
  python -m benchmarks.memory --only etter-10 --requests 1000000

The resident memory of the process: after the start and a first request, after many requests, and
after many apps were made, observed and forgotten in one process, as test suites do.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Final

import click
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.apps import Shape, make_app
from benchmarks.overhead import subjects
from benchmarks.processes import runners
from benchmarks.sinks import forgetful_servers
from benchmarks.subjects import SUBJECTS, Sinks
from benchmarks.tables import show

SHAPE: Final = Shape(61, included=True)
STEP: Final = 10_000
MB: Final = 1e6


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    return psutil.Process(pid).memory_info().rss / MB


def after_requests(names: Sequence[str], requests: int) -> dict[str, tuple[float, float]]:
    """Return the memory of each subject in MB, before and after the requests."""
    found = {}
    with runners(names, SHAPE) as started:
        for name in track(names, description="requests", console=Console(stderr=True)):
            runner = started[name]
            runner.call(1)
            before = resident(runner.pid)
            for _ in range(0, requests, STEP):
                runner.call(min(STEP, requests))
            found[name] = (before, resident(runner.pid))
    return found


def _make_apps(name: str, count: int, sinks: Sinks, pipe: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    SUBJECTS[name].set_up(make_app(SHAPE), sinks)()
    before = resident(os.getpid())
    for _ in range(count):
        SUBJECTS[name].set_up(make_app(SHAPE), sinks)
    gc.collect()
    pipe.send(resident(os.getpid()) - before)


def after_apps(names: Sequence[str], count: int) -> dict[str, float | None]:
    """Return the MB that so many forgotten apps leave; None where a subject fails."""
    found: dict[str, float | None] = {}
    context = multiprocessing.get_context("spawn")
    with forgetful_servers() as sinks:
        for name in track(names, description="apps", console=Console(stderr=True)):
            ours, theirs = multiprocessing.Pipe()
            process = context.Process(target=_make_apps, args=(name, count, sinks, theirs))
            process.start()
            theirs.close()
            try:
                found[name] = ours.recv()
            except EOFError:
                found[name] = None
            process.terminate()
            process.join()
    return found


@click.command(help=__doc__)
@click.option("--requests", default=100_000, show_default=True, help="Requests to each subject.")
@click.option("--apps", default=1_000, show_default=True, help="Apps in one process.")
@click.option("--only", default="", help="Subjects, with commas.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
def main(requests: int, apps: int, only: str, markdown: bool) -> None:
    """Measure and print."""
    names = subjects(only)
    kept, left = after_requests(names, requests), after_apps(names, apps)
    table = Table(title=f"resident memory in MB; {SHAPE}")
    table.add_column("")
    for heading in ("first request", f"{requests:,} requests", "grown by", f"{apps:,} apps leave"):
        table.add_column(heading, justify="right")
    for name, (before, after) in kept.items():
        apps_leave = left[name]
        table.add_row(
            SUBJECTS[name].title,
            f"{before:.1f}",
            f"{after:.1f}",
            f"{after - before:.1f}",
            "fails" if apps_leave is None else f"{apps_leave:.1f}",
        )
    show(table, markdown=markdown, width=110)


if __name__ == "__main__":
    main()
