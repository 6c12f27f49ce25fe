"""What a worker process of the tests does; it loads little, so that it starts soon."""

from __future__ import annotations

from multiprocessing.synchronize import Event
from pathlib import Path

from etter_obs._internal import conventions
from etter_obs._internal.metrics.registry import MetricsRegistry

TRACE = "0af7651916cd43dd8448eb211c80319c"


def work(folder: Path, ready: Event, release: Event) -> None:
    """Act as a worker: count, then wait for the release."""
    registry = MetricsRegistry("etter", multiproc_dir=folder)
    registry.counter(conventions.CACHE_HITS).child("a").inc(10)
    registry.counter(conventions.CACHE_EVICTED).child().set(1000)
    registry.gauge(conventions.ACTIVE_REQUESTS).child().inc(2)
    registry.gauge(conventions.DB_POOL_UTILISATION).child("p").set(0.25)
    registry.gauge(conventions.HEALTH_CHECK_UP).child("db").set(0)
    registry.histogram(conventions.DB_QUERY_DURATION).child("select").observe(0.003, TRACE)
    ready.set()
    release.wait(60)
