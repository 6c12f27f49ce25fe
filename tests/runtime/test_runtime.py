"""The run time's metrics are those of the process they come from."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread

import anyio.to_thread
import psutil
import pytest

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Metric
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.runtime import Runtime, instrument_runtime
from tests.waiting import eventually


@pytest.fixture
def runtime(registry: MetricsRegistry) -> Iterator[Runtime]:
    """The run time, measured."""
    runtime = instrument_runtime(registry, "1.2.3")
    yield runtime
    runtime.close()


@pytest.fixture
def only_asked_for() -> Iterator[None]:
    """Only the collections that the test triggers run."""
    gc.disable()
    yield
    gc.enable()


def gauge(registry: MetricsRegistry, metric: Metric) -> float:
    """Return a gauge as the next scrape sees it."""
    registry.refresh()
    return registry.gauge(metric).child().value


async def soon(probe: Callable[[], bool]) -> None:
    """Wait until ``probe`` is true, while the event loop runs on."""
    await asyncio.to_thread(eventually, probe, deadline_s=10, every_s=0.005)


@pytest.mark.usefixtures("only_asked_for")
def test_the_process_is_as_the_system_sees_it(registry: MetricsRegistry, runtime: Runtime) -> None:
    """Memory, descriptors, threads, limits and start time agree with what psutil reads."""
    process = psutil.Process()
    assert gauge(registry, conventions.PROCESS_MEMORY) == pytest.approx(
        process.memory_info().rss, rel=0.05
    )
    assert gauge(registry, conventions.PROCESS_MAX_FDS) == process.rlimit(psutil.RLIMIT_NOFILE)[0]
    assert gauge(registry, conventions.PROCESS_START) == pytest.approx(process.create_time(), abs=2)
    before = gauge(registry, conventions.PROCESS_FDS)
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(7)]
    assert gauge(registry, conventions.PROCESS_FDS) == before + 7
    for fd in opened:
        os.close(fd)
    release = Event()
    threads_before = gauge(registry, conventions.PROCESS_THREADS)
    thread = Thread(target=release.wait)
    thread.start()
    assert gauge(registry, conventions.PROCESS_THREADS) == threads_before + 1
    release.set()
    thread.join()


def test_cpu_time_grows_by_what_was_burnt(registry: MetricsRegistry, runtime: Runtime) -> None:
    """Between two scrapes the counter grows by the CPU time used."""
    cpu = registry.counter(conventions.PROCESS_CPU).child()
    registry.refresh()
    before, started = cpu.value, time.process_time()
    while time.process_time() - started < 0.1:
        pass
    registry.refresh()
    assert cpu.value - before == pytest.approx(time.process_time() - started, abs=0.05)


@pytest.mark.usefixtures("only_asked_for")
def test_collections_are_counted_and_timed(registry: MetricsRegistry, runtime: Runtime) -> None:
    """A collection adds one to its generation and its pause to the histogram, until closed."""
    oldest = registry.counter(conventions.GC_COLLECTIONS).child("2")
    pauses = registry.histogram(conventions.GC_PAUSE).child()
    before, paused = oldest.value, pauses.sum
    gc.collect()
    assert oldest.value == before + 1
    assert pauses.sum > paused
    runtime.close()
    callbacks = len(gc.callbacks)
    gc.collect()
    assert oldest.value == before + 1
    assert len(gc.callbacks) == callbacks


async def test_a_blocked_loop_shows_as_lag(registry: MetricsRegistry, runtime: Runtime) -> None:
    """A call that blocks the loop for 0.4 s is seen as a lag of nearly that."""
    lag = registry.histogram(conventions.EVENT_LOOP_LAG).child()
    runtime.watch_loop()
    runtime.watch_loop()  # the same loop has one timer
    await soon(lambda: lag.count >= 1)
    before = lag.sum
    time.sleep(0.6)  # noqa: ASYNC251  # the fault that is to be seen
    await soon(lambda: lag.count >= 2)
    assert lag.sum - before > 0.3


async def test_busy_threads_show_as_saturation(registry: MetricsRegistry, runtime: Runtime) -> None:
    """Calls in worker threads are in use, those beyond the limit wait."""
    runtime.watch_loop()
    limiter = anyio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 2
    release = Event()
    calls = [asyncio.create_task(anyio.to_thread.run_sync(release.wait)) for _ in range(5)]
    await soon(lambda: limiter.statistics().tasks_waiting == 3)
    assert gauge(registry, conventions.THREADPOOL_LIMIT) == 2
    assert gauge(registry, conventions.THREADPOOL_IN_USE) == 2
    assert gauge(registry, conventions.THREADPOOL_WAITING) == 3
    release.set()
    await asyncio.gather(*calls)
    assert gauge(registry, conventions.THREADPOOL_IN_USE) == 0


def test_the_build_is_told(registry: MetricsRegistry, runtime: Runtime) -> None:
    """The versions of app, Python and FastAPI are labels of one series."""
    import platform
    from importlib.metadata import version

    (labels,) = registry.families[conventions.BUILD_INFO.suffix]._children
    assert labels == ("1.2.3", platform.python_version(), version("fastapi"))


def test_a_closed_loop_is_forgotten(registry: MetricsRegistry, runtime: Runtime) -> None:
    """A loop that is gone counts no threads, and another one can be watched."""

    async def watch() -> None:
        runtime.watch_loop()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(watch())
    assert gauge(registry, conventions.THREADPOOL_LIMIT) > 0
    loop.close()
    assert gauge(registry, conventions.THREADPOOL_LIMIT) == 0

    async def look() -> float:
        runtime.watch_loop()
        return gauge(registry, conventions.THREADPOOL_LIMIT)

    assert asyncio.run(look()) > 0
