"""How cost grows: routes, series, concurrency, workers, the length of a line, SLOs.

Writes docs/growth.md and its picture from what it measures, beside the peers where there are any.

\b
  python -m benchmarks.growth                 all of them, about 6 minutes
  python -m benchmarks.growth --only lines    one of them, printed and not written
"""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import track

from benchmarks import scrape
from benchmarks.apps import Shape
from benchmarks.generate import generate
from benchmarks.overhead import BASELINE
from benchmarks.processes import runners

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "growth.md"
PICTURE: Final = ROOT / "docs" / "pictures" / "growth.png"
OURS: Final = "etter-obs"
ASSEMBLY: Final = "the peers' assembly"
CLIENT: Final = "prometheus_client"
ROUNDS: Final = 3
REPEAT: Final = 3

Curves = dict[str, list[float]]
"""What was measured at each point, by who was measured."""


@dataclass(frozen=True)
class Sweep:
    """One thing that grows.

    Args:
        title: What grows, and what it costs.
        grows: The title of the axis of what grows.
        cost: The title of the axis of the cost, with its unit.
        points: The sizes.
        measure: Returns the cost at each point.
        ends: Where the growth ends, or what limits it.
    """

    title: str
    grows: str
    cost: str
    points: tuple[int, ...]
    measure: Callable[[Sequence[int]], Curves]
    ends: str


def by_shape(points: Sequence[int]) -> Curves:
    """Return the thousands of instructions that a request adds, by the number of routes."""
    runs = [(Shape(n, included=True), max(200, 3_000 // max(1, n // 20)), 1) for n in points]
    return _added_by(runs)


def by_concurrency(points: Sequence[int]) -> Curves:
    """Return the thousands of instructions that a request adds, by requests at a time."""
    return _added_by([(Shape(1, included=False), 4_000, at_once) for at_once in points])


def _added_by(runs: Sequence[tuple[Shape, int, int]]) -> Curves:
    """Return what a request adds for each shape, number of requests and requests at a time."""
    ours, theirs = zip(*(_added(*run) for run in runs), strict=True)
    return {OURS: list(ours), ASSEMBLY: list(theirs)}


def _added(shape: Shape, count: int, at_once: int) -> tuple[float, float]:
    """Return what a request adds in thousands of instructions: etter-obs at 10 %, the assembly.

    Raises:
        click.ClickException: The machine cannot count instructions.
    """
    names = (BASELINE, "etter-10", "assembly-10")
    costs: dict[str, list[float]] = {name: [] for name in names}
    with runners(names, shape) as found:
        for runner in found.values():
            runner.call(min(count, 500), at_once)
        for _ in range(ROUNDS):
            for name, runner in found.items():
                costs[name].append(runner.call(count, at_once).instructions)
    bare, ours, theirs = (min(costs[name]) for name in names)
    if not bare:
        raise click.ClickException(
            "this machine cannot count instructions (Linux perf_event_open); "
            "measure another growth with --only, or run on a machine with hardware counters"
        )
    return (ours - bare) / 1e3, (theirs - bare) / 1e3


def by_series(points: Sequence[int]) -> Curves:
    """Return the milliseconds of a scrape, by the number of series."""
    curves: Curves = {OURS: [], CLIENT: []}
    for series in points:
        registry, other = scrape.make(series), scrape.their_registry(series)
        costs = scrape.best(lambda r=registry: scrape.ours(r), REPEAT)  # type: ignore[misc]
        curves[OURS].append(costs.seconds * 1e3)
        costs = scrape.best(lambda r=other: scrape.theirs(r), REPEAT)  # type: ignore[misc]
        curves[CLIENT].append(costs.seconds * 1e3)
    return curves


def by_workers(points: Sequence[int]) -> Curves:
    """Return the milliseconds of a scrape, by the number of workers with 1,000 series each."""
    curves: Curves = {OURS: [], CLIENT: []}
    for workers in points:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            living = [scrape.make(1_000, Path(one)) for _ in range(workers)]
            costs = scrape.best(lambda r=living[0]: scrape.ours(r), REPEAT)  # type: ignore[misc]
            curves[OURS].append(costs.seconds * 1e3)
            theirs = scrape.their_workers(Path(two), workers, 1_000, restarts=0)
            costs = scrape.best(lambda r=theirs: scrape.theirs(r), REPEAT)  # type: ignore[misc]
            curves[CLIENT].append(costs.seconds * 1e3)
            for registry in living:
                registry.close()
    return curves


def by_length(points: Sequence[int]) -> Curves:
    """Return the CPU time in µs of a log line, all threads, by the length of its message."""
    from etter_obs._internal.logs import LogPipeline, get_logger
    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.settings import Settings

    def cost(length: int) -> float:
        message = "word " * (length // 5)
        start = time.process_time()
        for _ in range(500):
            logger.info(message)
        pipeline.flush(60.0)
        return (time.process_time() - start) / 500 * 1e6

    with Path(os.devnull).open("a") as nowhere:
        pipeline = LogPipeline(Settings(), "shop", "bench", MetricsRegistry("etter"), nowhere)
        undo = pipeline.install()
        logger = get_logger("growth")
        cost(100)
        found = [min(cost(length) for _ in range(REPEAT)) for length in points]
        undo()
    return {OURS: found}


def by_slos(points: Sequence[int]) -> Curves:
    """Return the seconds of CPU time of ``generate``, by the number of SLOs."""
    return {OURS: [min(generate(slos).cpu for _ in range(2)) for slos in points]}


SWEEPS: Final = {
    "routes": Sweep(
        "Routes: what a request adds",
        "routes, under an included router",
        "thousands of instructions",
        (1, 10, 100, 1_000),
        by_shape,
        "FastAPI itself searches its routes one by one, and the instrumentator does so again. "
        "etter-obs reads the route that FastAPI found. The series of all routes end at "
        "`ETTER_OBS_METRICS_SERIES_CAP` label sets for each metric.",
    ),
    "series": Sweep(
        "Series: what a scrape costs",
        "series on the page",
        "ms",
        (100, 1_000, 10_000, 100_000),
        by_series,
        "The event loop is not held up, whatever the length: see "
        "[scrapes](performance.md#scrapes). `ETTER_OBS_METRICS_SERIES_CAP` ends the growth, and "
        "Prometheus's `sample_limit` beyond it.",
    ),
    "concurrency": Sweep(
        "Concurrency: what a request adds",
        "requests at a time",
        "thousands of instructions",
        (1, 10, 100, 1_000),
        by_concurrency,
        "A request in flight is one small object. What waits to be counted ends at 4,096 "
        "requests, log lines at `ETTER_OBS_LOG_QUEUE_SIZE`, spans at `OTEL_BSP_MAX_QUEUE_SIZE`; "
        "what does not fit is counted as dropped.",
    ),
    "workers": Sweep(
        "Workers: what a scrape costs",
        "workers with 1,000 series each",
        "ms",
        (1, 2, 4, 8, 16, 32),
        by_workers,
        "Each worker has one file, which the next worker takes over, so restarts do not add files.",
    ),
    "lines": Sweep(
        "Length of a line: what it costs",
        "characters of the message",
        "µs of CPU time",
        (100, 1_000, 10_000, 100_000),
        by_length,
        "`ETTER_OBS_LOG_MAX_BYTES` (16 KiB) ends the growth: a longer line is cut and marked.",
    ),
    "slos": Sweep(
        "SLOs: what generate costs",
        "SLOs in slo.yaml",
        "s of CPU time",
        (1, 10, 100, 300),
        by_slos,
        "No limit ends the growth. What the rules cost Prometheus is in "
        "[rules](performance.md#rules).",
    ),
}


def law(points: Sequence[int], values: Sequence[float]) -> str:
    """Return in words how the values grow over the upper half of the points.

    The exponent is the slope of the least-squares line through the logarithms.
    """
    half = len(points) // 2
    xs = [math.log(point) for point in points[half - 1 :]]
    ys = [math.log(max(value, 1e-9)) for value in values[half - 1 :]]
    slope = statistics.linear_regression(xs, ys).slope
    if slope < 0.15:
        return f"flat (exponent {slope:.2f})"
    if slope < 0.85:
        return f"less than linear (exponent {slope:.2f})"
    if slope <= 1.15:
        return f"linear (exponent {slope:.2f})"
    return f"more than linear (exponent {slope:.2f})"


def page(measured: dict[str, Curves]) -> str:
    """Return docs/growth.md."""
    lines = [
        "<!-- Generated by `python -m benchmarks.growth`; do not edit. -->",
        "",
        "# How cost grows",
        "",
        "This page is for teams that want to know how far etter-obs carries them. Each table and",
        "its plot were written by one run of the benchmark on two cores; both axes of a plot are",
        "logarithmic. A law is fitted to the upper half of the points: an exponent of 0 is flat,",
        "of 1 is linear. How rules grow with routes is in [rules](performance.md#rules).",
        "",
        "    python -m benchmarks.growth",
        "",
        "![Six plots of the tables below, drawn by the benchmark](pictures/growth.png)",
    ]
    for name, curves in measured.items():
        sweep = SWEEPS[name]
        lines += ["", f"## {sweep.title}", "", f"| {sweep.grows} | {' | '.join(curves)} |"]
        lines += ["|--:|" + "--:|" * len(curves)]
        for at, point in enumerate(sweep.points):
            cells = [_number(values[at]) for values in curves.values()]
            lines.append(f"| {point:,} | {' | '.join(cells)} |")
        lines += ["", f"The cost is in {sweep.cost}."]
        lines += [f"{name}: {law(sweep.points, values)}." for name, values in curves.items()]
        lines += ["", sweep.ends]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(measured: dict[str, Curves]) -> None:
    """Draw the picture of the page."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(2, 3, figsize=(13, 7), layout="constrained")
    for axis, (name, curves) in zip(grid.flat, measured.items(), strict=True):
        sweep = SWEEPS[name]
        for (who, values), style in zip(curves.items(), ("o-", "s--"), strict=False):
            axis.plot(sweep.points, values, style, label=who)
        axis.set(xscale="log", yscale="log", title=sweep.title, xlabel=sweep.grows)
        axis.set_ylabel(sweep.cost)
        axis.grid(visible=True, alpha=0.3)
        axis.legend()
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})


@click.command(help=__doc__)
@click.option("--only", type=click.Choice(list(SWEEPS)), help="Measure one, and print it.")
def main(only: str | None) -> None:
    """Measure, and write the page."""
    names = [only] if only else list(SWEEPS)
    measured = {}
    for name in track(names, description="growth", console=Console(stderr=True)):
        sweep = SWEEPS[name]
        measured[name] = sweep.measure(sweep.points)
    if only:
        print(page(measured))
        return
    draw(measured)
    PAGE.write_text(page(measured))
    print(f"wrote {PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
