from __future__ import annotations

import asyncio
import gc
import gzip
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY, Counter
from prometheus_client.parser import text_string_to_metric_families

from etter_obs._internal import conventions
from etter_obs._internal.metrics.exposition import MetricsEndpoint
from etter_obs._internal.metrics.registry import MetricsRegistry
from tests.app.asgi import Metrics, observed, parse, request, scrape

TRACE = "0af7651916cd43dd8448eb211c80319c"
OPENMETRICS = [(b"accept", b"application/openmetrics-text;version=1.0.0,text/plain;q=0.5")]


async def read(registry: MetricsRegistry) -> Metrics:
    """Scrape a registry."""
    answer = await request(MetricsEndpoint(registry), "GET", "/metrics", OPENMETRICS)
    return parse(answer.body.decode())


async def test_counters_gauges_and_histograms_are_exposed_as_counted() -> None:
    """A scraper reads the values that inc, set and observe received."""
    registry = MetricsRegistry("etter", buckets={conventions.REQUEST_DURATION: (0.2, 1.0)})
    registry.counter(conventions.CACHE_HITS).child("a").inc(2)
    registry.gauge(conventions.ACTIVE_REQUESTS).child().set(7)
    duration = registry.histogram(conventions.REQUEST_DURATION).child("GET", "/", "2xx")
    for value in (0.1, 0.2, 0.21, 5.0):
        duration.observe(value)
    metrics = await read(registry)
    labels = ("GET", "/", "2xx")
    assert metrics.value("cache_hits_total", "a") == 2
    assert metrics.value("active_requests") == 7
    buckets = [
        metrics.value("request_duration_seconds_bucket", *labels, le)
        for le in ("0.2", "1.0", "+Inf")
    ]
    assert buckets == [2, 3, 4]
    assert metrics.value("request_duration_seconds_count", *labels) == 4
    assert metrics.value("request_duration_seconds_sum", *labels) == pytest.approx(5.51)


async def test_an_exemplar_is_shown_in_its_bucket() -> None:
    """The newest kept trace of a bucket is its exemplar, with its value."""
    registry = MetricsRegistry("etter", buckets={conventions.REQUEST_DURATION: (0.2, 1.0)})
    duration = registry.histogram(conventions.REQUEST_DURATION).child("GET", "/", "2xx")
    duration.observe(0.3, "f" * 32)
    duration.observe(0.4, TRACE)
    duration.observe(0.5)
    metrics = await read(registry)
    ((key, exemplar),) = metrics.exemplars.items()
    assert key[1] == ("GET", "/", "2xx", "1.0")
    assert exemplar.labels == {"trace_id": TRACE}
    assert exemplar.value == 0.4
    assert exemplar.timestamp is not None
    assert abs(float(str(exemplar.timestamp)) - time.time()) < 60


async def test_a_metric_holds_no_more_series_than_its_cap() -> None:
    """Past the cap all else goes to one overflow series, and each use of it is counted."""
    registry = MetricsRegistry("etter", series_cap=10)
    misses = registry.counter(conventions.CACHE_MISSES)
    for number in range(50):
        misses.child(f"cache-{number}").inc()
    misses.child("cache-3").inc()
    metrics = await read(registry)
    held = metrics.of("cache_misses_total")
    assert len(held) == 11
    assert held[("__overflow__",)] == 40
    assert held[("cache-3",)] == 2
    assert metrics.of("telemetry_series_dropped_total") == {("cache_misses_total",): 40.0}


async def test_histograms_and_gauges_overflow_too() -> None:
    """The cap holds for every kind of metric."""
    registry = MetricsRegistry("etter", series_cap=10)
    for number in range(15):
        registry.histogram(conventions.DB_QUERY_DURATION).child(str(number)).observe(0.1)
        registry.gauge(conventions.DB_POOL_SIZE).child(str(number)).set(1)
    metrics = await read(registry)
    assert metrics.value("db_query_duration_seconds_count", "__overflow__") == 5
    assert metrics.of("telemetry_series_dropped_total") == {
        ("db_query_duration_seconds",): 5.0,
        ("db_pool_size",): 5.0,
    }


async def test_label_values_may_be_anything() -> None:
    """Quotes, backslashes, newlines and lone surrogates are escaped; a huge value is cut."""
    registry = MetricsRegistry("etter")
    misses = registry.counter(conventions.CACHE_MISSES)
    for value in ('a"b', "c\\d", "e\nf", "\ud800", "x" * 100_000, "ü"):
        misses.child(value).inc()
    found = {labels[0] for labels in (await read(registry)).of("cache_misses_total")}
    assert {'a"b', "c\\d", "e\nf", "?", "x" * 256, "ü"} == found


async def test_no_count_is_lost_among_threads() -> None:
    """Four threads count 20,000 each; 80,000 are there."""
    registry = MetricsRegistry("etter")
    hits = registry.counter(conventions.CACHE_HITS).child("a")
    took = registry.histogram(conventions.DB_QUERY_DURATION).child("select")

    def work() -> None:
        for _ in range(20_000):
            hits.inc()
            took.observe(0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hits.value == 80_000
    assert took.count == 80_000


def test_a_collection_may_count_while_its_thread_counts() -> None:
    """A garbage collector's callback that counts does not wait for the lock its thread holds."""
    registry = MetricsRegistry("etter")
    hits = registry.counter(conventions.CACHE_HITS).child("a")

    def called(phase: str, info: dict[str, int]) -> None:
        hits.inc()

    gc.callbacks.append(called)
    try:
        with registry.lock:
            gc.collect()
    finally:
        gc.callbacks.remove(called)
    assert hits.value >= 2


async def test_a_callback_that_fails_keeps_no_other_from_its_turn() -> None:
    """A gauge that cannot be read is missing; the scrape and the other gauges are not."""
    registry = MetricsRegistry("etter")
    size = registry.gauge(conventions.DB_POOL_SIZE).child("a")

    def fails() -> None:
        raise RuntimeError("on purpose")

    registry.on_scrape(fails)
    undo = registry.on_scrape(lambda: size.set(5))
    assert (await read(registry)).value("db_pool_size", "a") == 5
    undo()
    size.set(6)
    assert (await read(registry)).value("db_pool_size", "a") == 6


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (
            b"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
        ),
        (b"application/openmetrics-text", True),
        (b"text/plain;q=1,application/openmetrics-text;q=0.5", False),
        (b"application/openmetrics-text;q=0", False),
        (b"application/openmetrics-text;version=9.9", False),
        (b"text/plain", False),
        (b"*/*", False),
        (b"", False),
        (b";;q=,=,\xff", False),
    ],
)
async def test_the_scraper_chooses_the_format(accept: bytes, openmetrics: bool) -> None:
    """OpenMetrics goes to those who rank it first, and each format parses by its own parser."""
    registry = MetricsRegistry("etter")
    registry.counter(conventions.CACHE_HITS).child("a").inc()
    answer = await request(MetricsEndpoint(registry), "GET", "/metrics", [(b"accept", accept)])
    kind = answer.header("content-type")[0]
    text = answer.body.decode()
    if openmetrics:
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert parse(text).value("cache_hits_total", "a") == 1
    else:
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        names = {s.name for f in text_string_to_metric_families(text) for s in f.samples}
        assert "etter_cache_hits_total" in names


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        (b"gzip, deflate", True),
        (b"GZIP;q=0.5", True),
        (b"deflate, *;q=0.1", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.0, identity", False),
        (b"gzip;q=0, *", False),
        (b"gzip;q=0.5, identity;q=1", False),
        (b"gzip;q=many", False),
        (b"x-gzipped", False),
        (b"", False),
    ],
)
async def test_a_scrape_is_compressed_where_that_is_asked(accepted: bytes, packed: bool) -> None:
    """Compressed with gzip, by the weights that the scraper gives, it is the same text."""
    registry = MetricsRegistry("etter")
    registry.counter(conventions.CACHE_HITS).child("a").inc()
    endpoint = MetricsEndpoint(registry)
    answer = await request(endpoint, "GET", "/metrics", [(b"accept-encoding", accepted)])
    assert answer.header("content-encoding") == (["gzip"] if packed else [])
    text = gzip.decompress(answer.body) if packed else answer.body
    assert b'etter_cache_hits_total{cache_key="a"} 1.0' in text


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (b"Bearer right", 200),
        (b"bearer right", 200),
        (b"Bearer wrong", 401),
        (b"right", 401),
        (None, 401),
    ],
)
async def test_a_token_keeps_strangers_out(given: bytes | None, status: int) -> None:
    """With ETTER_OBS_METRICS_TOKEN only its bearer reads the metrics."""
    app = FastAPI()
    headers = [] if given is None else [(b"authorization", given)]
    with observed(app, metrics_token="right"):
        answer = await request(app, "GET", "/metrics", headers)
    assert answer.status == status
    assert (b"# HELP" in answer.body) is (status == 200)


async def test_metrics_that_are_switched_off_are_not_served() -> None:
    """With ENABLE_METRICS=false the app itself answers /metrics."""
    app = FastAPI()
    with observed(app, metrics_enabled=False):
        assert (await request(app, "GET", "/metrics")).status == 404


@pytest.fixture
def unburdened() -> Iterator[None]:
    """A collection does not walk through what the tests before have left: no app carries that."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Turns:
    """How long the event loop waited for its turns: in its thread's CPU time, in the process's."""

    def __init__(self) -> None:
        self.own: list[float] = []
        self.all: list[float] = []
        self._over = False

    async def _watch(self) -> None:
        own, all_ = time.thread_time(), time.process_time()
        while not self._over:
            await asyncio.sleep(0)
            self.own.append(time.thread_time() - own)
            self.all.append(time.process_time() - all_)
            own, all_ = time.thread_time(), time.process_time()

    async def during(self, endpoint: MetricsEndpoint) -> str:
        """Scrape, compressed, and return the text."""
        watching = asyncio.create_task(self._watch())
        await asyncio.sleep(0)
        headers = [*OPENMETRICS, (b"accept-encoding", b"gzip")]
        answer = await request(endpoint, "GET", "/metrics", headers)
        self._over = True
        await watching
        return gzip.decompress(answer.body).decode()


def series(text: str) -> int:
    """Return how many lines are no comment."""
    return sum(not line.startswith("#") for line in text.splitlines())


@pytest.mark.usefixtures("unburdened")
async def test_a_scrape_of_10_000_series_leaves_the_loop_free() -> None:
    """While a big scrape is made and compressed, the loop never waits 5 ms of its own CPU time."""
    registry = MetricsRegistry("etter", series_cap=2_000)
    for number in range(700):
        registry.histogram(conventions.DB_QUERY_DURATION).child(f"kind-{number}").observe(0.1)
    turns = Turns()
    assert series(await turns.during(MetricsEndpoint(registry))) > 10_000
    assert max(turns.own) < 0.005


@pytest.mark.usefixtures("unburdened")
async def test_10_000_series_of_the_apps_own_leave_the_loop_free_too() -> None:
    """Neither compressing them nor the thread that renders them holds the loop up for 5 ms.

    A thread that shares the processor may take 5 ms now and then; one that does not give way takes
    them twenty times.
    """
    own = Counter("shop_things", "Things.", ["kind", "place"])
    try:
        for number in range(10_000):
            own.labels(f"kind-{number}", hashlib.md5(b"%d" % number).hexdigest()).inc(number)
        turns = Turns()
        text = await turns.during(MetricsEndpoint(MetricsRegistry("etter")))
    finally:
        REGISTRY.unregister(own)
    assert series(text) > 20_000
    assert 'shop_things_total{kind="kind-9999",place="' in text
    assert max(turns.own) < 0.005
    assert sum(turn > 0.004 for turn in turns.all) < 5


async def test_the_hash_of_the_spec_and_the_versions_are_exposed(tmp_path: Path) -> None:
    """slo_spec_info says which slo.yaml the app's buckets came from."""
    app = FastAPI()
    with observed(app) as observability:
        metrics = await scrape(app)
        assert metrics.value("slo_spec_info", observability.spec.sha256) == 1


@pytest.mark.parametrize("accept", [b"application/openmetrics-text", b"text/plain"])
async def test_what_the_app_counts_with_prometheus_client_is_on_the_page(accept: bytes) -> None:
    """A counter of the app's own is exposed beside ours; one with a name of ours is not."""
    own = Counter("etter_own_orders", "Orders.", ["kind"])
    clash = Counter("etter_requests", "The guide's, still declared somewhere.", ["method"])
    try:
        own.labels("web").inc(3)
        clash.labels("GET").inc(99)
        app = FastAPI()
        with observed(app):
            answer = await request(app, "GET", "/metrics", [(b"accept", accept)])
    finally:
        REGISTRY.unregister(own)
        REGISTRY.unregister(clash)
    text = answer.body.decode()
    assert 'etter_own_orders_total{kind="web"} 3.0' in text
    assert " 99.0" not in text
    assert text.count("# TYPE etter_requests") == 1
    assert text.count("# EOF") == (accept != b"text/plain")


async def test_what_may_be_dropped_is_exposed_before_the_first_loss() -> None:
    """At zero, for every signal that is sent: otherwise Prometheus sees no increase in one loss."""
    app = FastAPI()
    with observed(
        app,
        apm_enabled=True,
        otlp_endpoint="127.0.0.1:9",
        error_tracking_enabled=True,
        sentry_dsn="http://key@127.0.0.1:9/1",
    ):
        exposed = (await request(app, "GET", "/metrics")).body.decode()
    for signal, reasons in {
        "log": ("queue_full", "write_failed", "otlp_queue_full", "otlp_failed"),
        "span": ("queue_full", "export_failed", "late_rate"),
        "error": ("queue_full", "network_error", "status_429", "failed"),
    }.items():
        for reason in reasons:
            labels = f'signal="{signal}",reason="{reason}"'
            assert f"etter_telemetry_dropped_total{{{labels}}} 0" in exposed, labels
