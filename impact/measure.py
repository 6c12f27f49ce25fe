"""Runs the experiments: off, on, off, on, each phase in blocks of a second."""

from __future__ import annotations

import asyncio
import os
import platform
import random
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from typing import Final

from etter_obs._internal.conventions import REQUEST_DURATION, REQUESTS
from impact.bench import Bench
from impact.experiments import (
    BLOCKS,
    CAPACITIES,
    EXPERIMENTS,
    FIGURES,
    ROUNDS,
    Capacity,
    Experiment,
    Side,
)
from impact.load import Call, load
from impact.progress import Progress
from impact.results import Results
from impact.series import Delta, Reading
from impact.workloads import World

_BLOCK_SECONDS: Final = 1.0
_LADDER: Final = (5, 8, 12, 18, 27, 40, 60, 90, 135, 200, 300, 450, 675, 1000)
"""Users of the steps of a capacity."""
_THINK_SECONDS: Final = 0.25
_STEP_WARM, _STEP_SECONDS = 1.0, 2.5
_THRESHOLD: Final = "0.5"
_WITHIN, _ERRORS = 0.95, 0.001
_MOST_ERRORS: Final = 0.01


class MeasurementError(RuntimeError):
    """The backend failed under the load, so what was measured says nothing."""


def planned_seconds(only: Collection[str]) -> float:
    """Return about how long the chosen experiments take, flips and starts included."""
    switched = sum(
        2 * ROUNDS * (one.warm_seconds + BLOCKS * _BLOCK_SECONDS + _flip_seconds(one))
        for one in EXPERIMENTS
        if one.name in only
    )
    return switched + sum(2 * ROUNDS * _CAPACITY_SECONDS for one in CAPACITIES if one.name in only)


_CAPACITY_SECONDS: Final = 30.0


def _flip_seconds(one: Experiment) -> float:
    return 6.0 if one.fresh or one.name in ("indexes", "pool", "everything") else 1.0


async def measure(
    bench: Bench, progress: Progress, only: Collection[str], done: Callable[[Results], None]
) -> list[str]:
    """Run the experiments and pass on what each has measured, when it ends.

    Args:
        bench: runs the backend.
        progress: shows which phase runs.
        only: names of the experiments and capacities.
        done: takes the results of one experiment.

    Returns:
        What failed, a line for each experiment of which more than one in a hundred requests failed.
    """
    bench.use(EXPERIMENTS[0].on.features)
    world = bench.world()
    failed = []
    for one in (*EXPERIMENTS, *CAPACITIES):
        if one.name not in only:
            continue
        at, started = datetime.now(UTC), time.monotonic()
        results = Results(_machine(), _versions())
        try:
            if isinstance(one, Experiment):
                await _experiment(one, bench, world, progress, results)
            else:
                await _capacity(one, bench, world, progress, results)
        except MeasurementError as error:
            failed.append(str(error))
            continue
        minutes = round((time.monotonic() - started) / 60, 2)
        results.runs = [{"at": f"{at:%Y-%m-%d %H:%M}", "minutes": minutes, "experiment": one.name}]
        done(results)
    return failed


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("fastapi", "sqlalchemy", "psycopg"))


async def _experiment(
    one: Experiment, bench: Bench, world: World, progress: Progress, results: Results
) -> None:
    figures = [figure for figure in FIGURES if figure.experiment == one.name]
    seconds = one.warm_seconds + BLOCKS * _BLOCK_SECONDS + _flip_seconds(one)
    for number in range(ROUNDS):
        for name, side in (("off", one.off), ("on", one.on)):
            with progress.phase(f"{one.name}, {name}, round {number + 1}", seconds):
                bench.use(side.features, fresh=one.fresh)
                blocks = await _blocks(one, side, bench, world, number)
            for figure in figures:
                kept = results.figures.setdefault(figure.name, {"off": [], "on": []})
                kept[name].append([(figure.over(block), figure.under(block)) for block in blocks])


async def _blocks(
    one: Experiment, side: Side, bench: Bench, world: World, number: int
) -> list[Delta]:
    async with load(bench.base_url, one.users, _calls(side, world, number)):
        await asyncio.sleep(one.warm_seconds)
        pages = [await asyncio.to_thread(bench.scrape)]
        for _ in range(BLOCKS):
            await asyncio.sleep(_BLOCK_SECONDS)
            pages.append(await asyncio.to_thread(bench.scrape))
    readings = [Reading.of(page) for page in pages]
    whole = Delta(readings[0], readings[-1], one.routes)
    asked, failed = whole.growth(REQUESTS), whole.failures(REQUESTS)
    if not asked or failed / asked > _MOST_ERRORS:
        raise MeasurementError(f"{one.name}: {failed:g} of {asked:g} requests failed")
    return [Delta(first, last, one.routes) for first, last in pairwise(readings)]


async def _capacity(
    one: Capacity, bench: Bench, world: World, progress: Progress, results: Results
) -> None:
    kept = results.capacities.setdefault(one.name, {"off": [], "on": []})
    for number in range(ROUNDS):
        for name, side in (("off", one.off), ("on", one.on)):
            with progress.phase(f"{one.name}, {name}, round {number + 1}", _CAPACITY_SECONDS):
                bench.use(side.features)
                kept[name].append(await _most_users(one, side, bench, world, number))


async def _most_users(one: Capacity, side: Side, bench: Bench, world: World, number: int) -> int:
    """Return the users of the last step that held the targets; the first one if none did."""
    calls = _calls(side, world, number)
    held = _LADDER[0]
    for users in _LADDER:
        async with load(bench.base_url, users, calls, _THINK_SECONDS):
            await asyncio.sleep(_STEP_WARM)
            first = await asyncio.to_thread(bench.scrape)
            await asyncio.sleep(_STEP_SECONDS)
            last = await asyncio.to_thread(bench.scrape)
        step = Delta(Reading.of(first), Reading.of(last), one.routes)
        asked = step.growth(REQUEST_DURATION, "_count")
        within = step.growth(REQUEST_DURATION, "_bucket", le=_THRESHOLD)
        if not asked or within / asked < _WITHIN or step.failures(REQUESTS) / asked > _ERRORS:
            return held
        held = users
    return held


def _calls(side: Side, world: World, number: int) -> Callable[[], Call]:
    draw = random.Random(number)
    return lambda: side.workload(world, draw)
