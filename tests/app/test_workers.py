"""Several workers: processes of their own, that share a folder or are started by a real server."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from demo.databases import free_port
from etter_obs import SettingsError, setup_observability
from etter_obs._internal import conventions
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.metrics.render import render
from etter_obs._internal.settings import Settings
from tests.app.asgi import Metrics, parse
from tests.app.counting import TRACE, work
from tests.waiting import eventually

spawn = multiprocessing.get_context("spawn")


def read(registry: MetricsRegistry) -> Metrics:
    """Scrape a registry."""
    return parse("".join(render(registry, openmetrics=True)))


@contextmanager
def worker(folder: Path) -> Iterator[BaseProcess]:
    """Run a worker until the block ends; it is alive and has counted within the block."""
    ready, release = spawn.Event(), spawn.Event()
    process = spawn.Process(target=work, args=(folder, ready, release))
    process.start()
    assert ready.wait(60)
    try:
        yield process
    finally:
        if process.is_alive():  # a killed one never wakes, and `set` would wait for it for ever
            release.set()
        process.join(60)


def test_workers_are_summed_and_gauges_live_as_long_as_their_worker(tmp_path: Path) -> None:
    """Counters of dead workers stay; their gauges go; max, min and latest combine as declared."""
    registry = MetricsRegistry("etter", multiproc_dir=tmp_path)
    registry.counter(conventions.CACHE_HITS).child("a").inc(1)
    registry.gauge(conventions.ACTIVE_REQUESTS).child().inc(3)
    registry.gauge(conventions.DB_POOL_UTILISATION).child("p").set(0.75)
    registry.gauge(conventions.HEALTH_CHECK_UP).child("db").set(1)
    with worker(tmp_path), worker(tmp_path):
        metrics = read(registry)
        assert metrics.value("cache_hits_total", "a") == 21
        assert metrics.value("active_requests") == 7
        assert metrics.value("workers") == 3
        assert metrics.value("db_pool_utilisation_ratio", "p") == 0.75
        assert metrics.samples[("etter_health_check_up", ("db",))] == 0
        assert metrics.value("db_query_duration_seconds_count", "select") == 2
        assert metrics.value("cache_evicted_keys_total") == 1000
    metrics = read(registry)
    assert metrics.value("cache_hits_total", "a") == 21
    assert metrics.value("active_requests") == 3
    assert metrics.value("workers") == 1
    assert metrics.value("health_check_up", "db") == 1


def test_exemplars_survive_several_workers(tmp_path: Path) -> None:
    """A trace that another worker kept is in the scrape that this one answers."""
    registry = MetricsRegistry("etter", multiproc_dir=tmp_path)
    registry.histogram(conventions.DB_QUERY_DURATION).child("select").observe(0.5)
    with worker(tmp_path):
        exemplars = read(registry).exemplars
    assert [exemplar.labels for exemplar in exemplars.values()] == [{"trace_id": TRACE}]


def test_restarts_leave_no_more_files_than_there_were_workers(tmp_path: Path) -> None:
    """Five workers, killed one after the other, leave one file beside ours, and every count."""
    registry = MetricsRegistry("etter", multiproc_dir=tmp_path)
    for _ in range(5):
        with worker(tmp_path) as process:
            process.kill()
            process.join(60)
    assert len(list(tmp_path.glob("worker-*"))) == 2
    assert read(registry).value("cache_hits_total", "a") == 50


def test_a_closed_registry_gives_its_file_up_at_once(tmp_path: Path) -> None:
    """Within one process too, the successor counts on in the file that was given up."""
    first = MetricsRegistry("etter", multiproc_dir=tmp_path)
    for number in range(5):
        second = MetricsRegistry("etter", multiproc_dir=tmp_path)
        hits = second.counter(conventions.CACHE_HITS).child("a")
        hits.inc()
        assert hits.value == number + 1
        second.close()
    assert len(list(tmp_path.glob("worker-*"))) == 2
    assert read(first).value("cache_hits_total", "a") == 5


def test_a_service_that_was_down_starts_afresh(tmp_path: Path) -> None:
    """If no worker is alive, the next one resets the counters, as a single process does."""
    with worker(tmp_path):
        pass
    registry = MetricsRegistry("etter", multiproc_dir=tmp_path)
    assert read(registry).value("cache_hits_total", "a") == 0


def test_workers_with_other_buckets_are_not_added_up(tmp_path: Path) -> None:
    """A worker of another release, with other thresholds, does not falsify this one's histogram."""
    buckets = {conventions.DB_QUERY_DURATION: (0.1, 0.2)}
    registry = MetricsRegistry("etter", buckets=buckets, multiproc_dir=tmp_path)
    registry.histogram(conventions.DB_QUERY_DURATION).child("select").observe(0.15)
    with worker(tmp_path):
        assert read(registry).value("db_query_duration_seconds_count", "select") == 1


def test_many_series_grow_the_file_and_are_all_read(tmp_path: Path) -> None:
    """Records beyond the first chunk of a file are found by the others and by a successor."""
    ours = MetricsRegistry("etter", multiproc_dir=tmp_path, series_cap=5_000)
    theirs = MetricsRegistry("etter", multiproc_dir=tmp_path, series_cap=5_000)
    for number in range(2_000):
        theirs.histogram(conventions.DB_QUERY_DURATION).child(f"q{number}").observe(0.1)
    assert len(read(ours).of("db_query_duration_seconds_count")) == 2_000
    theirs.close()
    successor = MetricsRegistry("etter", multiproc_dir=tmp_path, series_cap=5_000)
    successor.histogram(conventions.DB_QUERY_DURATION).child("q1999").observe(0.1)
    counted = read(ours).of("db_query_duration_seconds_count")
    assert len(counted) == 2_000
    assert counted[("q1999",)] == 2


@pytest.mark.parametrize("shared", [True, False])
def test_a_forked_child_counts_for_itself(tmp_path: Path, shared: bool) -> None:
    """A child inherits bound children and writes into no record of its parent's.

    What an info metric says is true for the child as well.
    """
    registry = MetricsRegistry("etter", multiproc_dir=tmp_path if shared else None)
    hits = registry.counter(conventions.CACHE_HITS).child("a")
    hits.inc(5)
    spec = registry.info(conventions.SLO_SPEC_INFO).child("hash")
    spec.set(1)
    child = os.fork()
    if child == 0:
        hits.inc(100)
        os._exit(0 if hits.value == 100 and spec.value == 1 else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert hits.value == 5
    assert read(registry).value("cache_hits_total", "a") == (105 if shared else 5)


def test_a_folder_that_cannot_be_used_is_one_clear_error(tmp_path: Path) -> None:
    """PROMETHEUS_MULTIPROC_DIR below a file: the message names the variable and its value."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SettingsError) as caught:
        setup_observability(FastAPI(), settings=Settings(multiproc_dir=blocked / "below"))
    assert "PROMETHEUS_MULTIPROC_DIR" in str(caught.value)
    assert str(blocked / "below") in str(caught.value)


# -- real servers --------------------------------------------------------------------------------

APP = """
    import os
    from fastapi import FastAPI
    from sqlalchemy import QueuePool, create_engine
    from etter_obs import setup_observability

    app = FastAPI()

    @app.get("/worker/{number}")
    async def worker(number: int) -> int:
        return os.getpid()

    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=5)
    setup_observability(app, engine=engine)

    other = FastAPI()
    app.mount("/other", other)
    setup_observability(other)
"""


@contextmanager
def server(folder: Path, command: list[str], **env: str) -> Iterator[str]:
    """Run a server with an observed app and give its address."""
    (folder / "served.py").write_text(textwrap.dedent(APP))
    with httpx.Client() as probe, (folder / "output").open("wb") as output:
        port = free_port()
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                *command,
                f"127.0.0.1:{port}" if "gunicorn" in command else str(port),
            ],
            cwd=folder,
            stdout=output,
            stderr=output,
            env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)} | env,
        )
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            try:
                return probe.get(f"{url}/health/live").status_code == 200
            except httpx.TransportError:
                return False

        try:
            eventually(answers, deadline_s=60, tell=lambda: (folder / "output").read_text())
            yield url
        finally:
            process.terminate()
            process.wait(30)


UVICORN = ["uvicorn", "served:app", "--workers", "2", "--port"]
GUNICORN = ["gunicorn", "served:app", "--workers", "2", "-k", "asgi", "--bind"]


def scrape(url: str) -> Metrics:
    """Scrape a server over a connection of its own, so that any worker may answer."""
    accept = {"accept": "application/openmetrics-text"}
    return parse(httpx.get(f"{url}/metrics", headers=accept, timeout=30).text)


def use_every_worker(url: str, workers: int) -> tuple[set[int], int]:
    """Send requests until every worker has answered; return their ids and the request count."""
    seen: set[int] = set()
    asked = 0

    def ask() -> bool:
        nonlocal asked
        seen.add(httpx.get(f"{url}/worker/{asked}", timeout=30).json())
        asked += 1
        return len(seen) == workers

    eventually(ask, deadline_s=60, every_s=0.01)
    return seen, asked


def total(url: str) -> float:
    """Return how many requests all workers together have counted."""
    return scrape(url).value("requests_total", "GET", "/worker/{number}", "200")


def pool_size(url: str) -> float:
    """Return how many connections the pools of all workers together may hold."""
    return scrape(url).value("db_pool_size", "default")


@pytest.mark.parametrize(
    "configured",
    [lambda folder: {}, lambda folder: {"PROMETHEUS_MULTIPROC_DIR": str(folder / "chosen")}],
    ids=["nothing configured", "a folder configured"],
)
def test_uvicorns_workers_find_each_other(
    tmp_path: Path, configured: Callable[[Path], dict[str, str]]
) -> None:
    """Any worker's answer to a scrape has the right sum; a killed worker's counts remain."""
    with server(tmp_path, UVICORN, **configured(tmp_path)) as url:
        workers, asked = use_every_worker(url, 2)
        eventually(lambda: total(url) == asked, deadline_s=60)
        assert all(total(url) == asked for _ in range(6))
        assert scrape(url).value("workers") == 2
        os.kill(min(workers), signal.SIGKILL)
        again, more = use_every_worker(url, 2)
        assert again != workers
        eventually(lambda: total(url) == asked + more, deadline_s=60, tell=lambda: total(url))
        assert len(list(tmp_path.rglob("worker-*"))) == 2 * 2  # of two apps


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["", "preloaded"])
def test_gunicorns_workers_find_each_other(tmp_path: Path, preload: list[str]) -> None:
    """Forked workers, from an app loaded before or after the fork, are summed as well.

    The process that forks them serves nothing, and is in no gauge even where it loaded the app.
    """
    command = [*GUNICORN[:-1], *preload, "--bind"]
    with server(tmp_path, command) as url:
        workers, asked = use_every_worker(url, 2)
        eventually(lambda: total(url) == asked, deadline_s=60, tell=lambda: total(url))
        assert all(total(url) == asked for _ in range(6))
        assert scrape(url).value("workers") == 2
        eventually(lambda: pool_size(url) == 2 * 5, deadline_s=60, tell=lambda: pool_size(url))
        os.kill(min(workers), signal.SIGKILL)
        again, more = use_every_worker(url, 2)
        assert again != workers
        eventually(lambda: total(url) == asked + more, deadline_s=60, tell=lambda: total(url))
        assert scrape(url).value("workers") == 2


def test_two_services_of_one_supervisor_stay_apart(tmp_path: Path) -> None:
    """Processes that are no fellow workers do not meet: a lone server shares no folder."""
    lone = [*UVICORN[:2], "--port"]
    with server(tmp_path, lone) as url:
        _, asked = use_every_worker(url, 1)
        eventually(lambda: total(url) == asked, deadline_s=60)
        assert list(tmp_path.rglob("worker-*")) == []


@pytest.mark.parametrize("configured", [False, True])
def test_two_apps_of_one_process_each_show_their_own(tmp_path: Path, configured: bool) -> None:
    """Under several workers a second app of the same process does not show the first one's sum."""
    chosen = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "chosen")} if configured else {}
    with server(tmp_path, UVICORN, **chosen) as url:
        _, asked = use_every_worker(url, 2)
        eventually(lambda: total(url) == asked, deadline_s=60)
        other = scrape(f"{url}/other")
        assert other.of("requests_total") == {}
        assert other.value("workers") == 2


@pytest.mark.parametrize("open_to", ["nobody", "others"])
def test_workers_that_cannot_meet_serve_and_say_so_once_each(tmp_path: Path, open_to: str) -> None:
    """Without a usable folder each worker counts for itself, with a warning, and none ends."""
    base = tmp_path / f"etter-obs-{os.getuid()}"
    if open_to == "nobody":
        base.write_text("no folder can be made here")
    else:
        base.mkdir()
        base.chmod(0o777)
    with server(tmp_path, UVICORN) as url:
        workers, _ = use_every_worker(url, 2)
        assert scrape(url).value("workers_apart") == 1
        assert use_every_worker(url, 2)[0] == workers
    said = (tmp_path / "output").read_text()
    assert said.count("The workers of this service cannot add up their metrics") == 2 * 2
    assert str(base) in said
