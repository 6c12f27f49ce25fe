"""What an app counts with prometheus_client by itself, under servers with several workers."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from etter_obs._internal.metrics.exposition import MetricsEndpoint
from etter_obs._internal.metrics.registry import MetricsRegistry, living
from tests.app.asgi import request
from tests.servers import Running, running
from tests.waiting import eventually

ORDERS = 'shop_orders_total{kind="web"}'


def samples(run: Running) -> dict[str, Sample]:
    """Scrape, on a connection of its own, by prometheus_client's strict parser."""
    page = run.get("/metrics", headers={"accept": "application/openmetrics-text"})
    found = {}
    for family in text_string_to_metric_families(page.text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample
    return found


def order(run: Running, times: int) -> set[int]:
    """Order on as many connections; return the workers that took one."""
    return {httpx.post(f"{run.url}/orders", timeout=20).json() for _ in range(times)}


def settled(run: Running, total: float) -> dict[str, Sample]:
    """Return a page that shows all orders, after which ten others show the same."""
    eventually(lambda: samples(run)[ORDERS].value == total, deadline_s=30)
    pages = [samples(run) for _ in range(10)]
    assert {page[ORDERS].value for page in pages} == {total}
    return pages[-1]


@pytest.mark.parametrize(
    "server", ["uvicorn-workers", "gunicorn-workers", "gunicorn-preload", "granian-workers"]
)
def test_every_scrape_shows_what_all_workers_counted(server: str) -> None:
    """Counters and histograms are summed; gauges tell their workers apart."""
    with running(server, "tests.app.own_counters:app") as run:
        workers, ordered, shown = set[int](), 0, 0.0
        while len(workers) < 2:
            workers |= order(run, 10)
            ordered += 10
            assert shown <= (shown := samples(run)[ORDERS].value) <= ordered
        page = settled(run, ordered)
        assert page["shop_amount_count"].value == ordered
        assert page['shop_amount_bucket{le="10.0"}'].value == ordered
        assert page['shop_amount_bucket{le="1.0"}'].value == 0
        assert page['shop_amount_bucket{le="10.0"}'].exemplar is not None
        assert page["shop_rows_total"].value == 1000
        assert page["shop_oldest"].value == max(workers)
        queues = {s.labels["pid"]: s.value for n, s in page.items() if n.startswith("shop_queue")}
        assert queues.keys() == {str(pid) for pid in workers}
        assert sum(queues.values()) == ordered


def test_counters_outlive_their_workers_and_gauges_do_not() -> None:
    """New workers, after a reload and after a kill, count on; nothing goes down or twice."""
    with running("gunicorn-workers", "tests.app.own_counters:app") as run:
        first = order(run, 40)
        settled(run, 40)
        run.send(signal.SIGHUP)
        eventually(lambda: not first & order(run, 1), deadline_s=30)
        total = samples(run)[ORDERS].value
        eventually(lambda: not any(map(_lives, first)), deadline_s=30)
        workers = order(run, 20)
        eventually(lambda: samples(run)[ORDERS].value >= total + 20, deadline_s=30)
        total = samples(run)[ORDERS].value
        settled(run, total)
        killed = min(workers)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: not _lives(killed), deadline_s=30)
        settled(run, total)
        # While a worker starts, who lives is what was known before: a scrape waits for nobody.
        eventually(lambda: f'shop_queue{{pid="{killed}"}}' not in samples(run), deadline_s=30)
        order(run, 10)
        settled(run, total + 10)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def own() -> Iterator[Counter]:
    """A counter of the app's own, at 3."""
    counter = Counter("shop_visits", "Visits.")
    counter.inc(3)
    yield counter
    REGISTRY.unregister(counter)


async def visits(registry: MetricsRegistry) -> float:
    """Scrape a registry and return the visits."""
    answer = await request(MetricsEndpoint(registry), "GET", "/metrics")
    (line,) = [
        text for text in answer.body.decode().splitlines() if text.startswith("shop_visits_total ")
    ]
    return float(line.split()[-1])


async def test_two_apps_of_one_process_count_once(own: Counter, tmp_path: Path) -> None:
    """Each shows what the process counted, also after the other has ended or come again."""
    first = MetricsRegistry("etter", multiproc_dir=tmp_path)
    second = MetricsRegistry("etter", multiproc_dir=tmp_path)
    assert [await visits(first), await visits(second), await visits(first)] == [3, 3, 3]
    second.close()
    own.inc()
    third = MetricsRegistry("etter", multiproc_dir=tmp_path)
    assert [await visits(third), await visits(first)] == [4, 4]
    first.close()
    third.close()


async def test_a_forked_child_of_a_worker_counts_for_itself(own: Counter, tmp_path: Path) -> None:
    """Its copy of what its parent counted is not added to that."""
    registry = MetricsRegistry("etter", multiproc_dir=tmp_path)
    assert await visits(registry) == 3
    fork = multiprocessing.get_context("fork")
    forked, end = fork.Event(), fork.Event()

    def child() -> None:
        for inherited in living():  # what it would write at its end
            inherited.close()
        forked.set()
        end.wait(60)

    process = fork.Process(target=child)
    process.start()
    assert forked.wait(60)
    own.inc()
    assert await visits(registry) == 4
    end.set()
    process.join(60)
    assert await visits(registry) == 4
    registry.close()
