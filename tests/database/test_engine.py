"""What an engine's statements leave in metrics, spans and logs, on real databases."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, QueuePool, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from demo.databases import Postgres
from etter_obs._internal import conventions
from etter_obs._internal.conventions import HealthReason
from etter_obs._internal.database import database_check, instrument_engine
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.tracing import Tracing
from tests.services import Receiver
from tests.tracing.observed import observed
from tests.waiting import eventually


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A SQLite file with a pool of one connection and one more."""
    engine = create_engine(
        f"sqlite:///{tmp_path}/test.db",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=1,
        pool_timeout=0.05,
    )
    yield engine
    engine.dispose()


@pytest.fixture
async def async_postgres(postgres: Postgres) -> AsyncIterator[AsyncEngine]:
    """An async engine on PostgreSQL with a pool of one connection."""
    engine = create_async_engine(postgres.url("asyncpg"), pool_size=1, max_overflow=0)
    yield engine
    await engine.dispose()


def statements(registry: MetricsRegistry) -> dict[str, float]:
    """Return how many statements of each kind were timed."""
    family = registry.histogram(conventions.DB_QUERY_DURATION)
    counts = {kind: family.child(kind).count for kind in ("select", "insert", "update", "delete")}
    return {kind: count for kind, count in counts.items() if count}


def gauge(registry: MetricsRegistry, metric: conventions.Metric, *labels: str) -> float:
    """Return a gauge as the next scrape sees it."""
    registry.refresh()
    return registry.gauge(metric).child(*labels).value


def test_statements_are_timed_by_kind_and_their_rows_counted(
    engine: Engine, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """Each statement is in the series of its kind, and what it changed is counted."""
    instrument_engine(engine, registry, no_tracing)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
        connection.execute(text("INSERT INTO t VALUES (:n)"), [{"n": n} for n in range(5)])
        connection.execute(text("UPDATE t SET n = n + 1 WHERE n < 3"))
        connection.execute(text("WITH big AS (SELECT 1) SELECT * FROM t, big")).all()
        connection.execute(text("-- why\n/* not */ DELETE FROM t WHERE n > 3"))
    assert statements(registry) == {"select": 1, "insert": 1, "update": 1, "delete": 1}
    assert registry.histogram(conventions.DB_QUERY_DURATION).child("other").count == 1
    rows = registry.counter(conventions.DB_ROWS)
    assert rows.child("insert").value == 5
    assert rows.child("update").value == 3
    assert rows.child("delete").value == 1


def test_a_failed_statement_is_counted_and_raised(
    engine: Engine, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """An error reaches the caller as it was and counts as one of its kind."""
    instrument_engine(engine, registry, no_tracing)
    with engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text("SELECT * FROM nowhere"))
    assert registry.counter(conventions.DB_QUERY_ERRORS).child("select").value == 1
    assert statements(registry) == {"select": 1}


def test_the_pool_is_read_at_scrape(
    engine: Engine, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """Size, limit, use, overflow and utilisation are those of the moment of the scrape."""
    instrument_engine(engine, registry, no_tracing, pool="main")
    with engine.connect(), engine.connect():
        assert gauge(registry, conventions.DB_POOL_SIZE, "main") == 1
        assert gauge(registry, conventions.DB_POOL_LIMIT, "main") == 2
        assert gauge(registry, conventions.DB_POOL_IN_USE, "main") == 2
        assert gauge(registry, conventions.DB_POOL_OVERFLOW, "main") == 1
        assert gauge(registry, conventions.DB_POOL_UTILISATION, "main") == 1.0
        assert gauge(registry, conventions.DB_CONNECTIONS) == 2
    assert gauge(registry, conventions.DB_POOL_IN_USE, "main") == 0
    assert gauge(registry, conventions.DB_POOL_UTILISATION, "main") == 0.0


def test_waiting_for_a_connection_is_timed_and_giving_up_counted(
    engine: Engine, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """A caller that times out is counted, and its wait is in the histogram."""
    instrument_engine(engine, registry, no_tracing)
    wait = registry.histogram(conventions.DB_POOL_WAIT).child("default")
    with engine.connect(), engine.connect(), pytest.raises(PoolTimeoutError):
        engine.connect()
    assert registry.counter(conventions.DB_POOL_TIMEOUTS).child("default").value == 1
    assert wait.count == 3
    assert wait.sum >= 0.05


def test_a_new_pool_after_dispose_is_measured_too(
    engine: Engine, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """dispose() replaces the pool, and the new one goes on being timed."""
    undo = instrument_engine(engine, registry, no_tracing)
    wait = registry.histogram(conventions.DB_POOL_WAIT).child("default")
    engine.connect().close()
    engine.dispose()
    engine.connect().close()
    assert wait.count == 2
    undo()
    engine.connect().close()
    assert wait.count == 2


def test_undo_leaves_the_engine_as_it_was(
    engine: Engine, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """After the undo nothing is measured, and a listener of the user's own still runs."""
    seen: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def theirs(conn: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    undo = instrument_engine(engine, registry, no_tracing)
    undo()
    undo()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert statements(registry) == {}
    assert seen == ["SELECT 1"]
    assert "connect" not in vars(engine.pool)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_postgresql_is_asked_for_its_active_connections(
    postgres: Postgres, registry: MetricsRegistry, no_tracing: Tracing, driver: str
) -> None:
    """Connections in a transaction count, those of other clients too, idle ones do not."""
    engine: Engine | AsyncEngine = (
        create_async_engine(postgres.url(driver))
        if driver == "asyncpg"
        else create_engine(postgres.url(driver))
    )
    other = create_engine(postgres.url())
    undo = instrument_engine(engine, registry, no_tracing)
    with other.connect() as busy, other.connect() as idle:
        busy.execute(text("SELECT 1"))  # its transaction stays open
        idle.execute(text("SELECT 1"))
        idle.rollback()
        await asyncio.to_thread(
            eventually,
            lambda: gauge(registry, conventions.DB_CONNECTIONS) == 1,
            deadline_s=30,  # an answer is kept for ten seconds
            every_s=0.05,
        )
    undo()
    assert statements(registry) == {}  # its own question is no statement of the app
    other.dispose()
    if isinstance(engine, AsyncEngine):
        await engine.dispose()
    else:
        engine.dispose()


async def test_an_async_engine_is_measured_like_a_sync_one(
    async_postgres: AsyncEngine, registry: MetricsRegistry, no_tracing: Tracing
) -> None:
    """Statements, rows and pool of an asyncpg engine arrive in the same metrics."""
    undo = instrument_engine(async_postgres, registry, no_tracing)
    async with async_postgres.begin() as connection:
        await connection.execute(text("CREATE TEMP TABLE t (n int)"))
        await connection.execute(text("INSERT INTO t VALUES (1), (2)"))
        assert gauge(registry, conventions.DB_POOL_IN_USE, "default") == 1
    assert statements(registry) == {"insert": 1}
    assert registry.counter(conventions.DB_ROWS).child("insert").value == 2
    assert registry.histogram(conventions.DB_POOL_WAIT).child("default").count == 1
    undo()


class TestCheck:
    """The health check of a database."""

    def test_a_reachable_database_is_ok(self, postgres: Postgres) -> None:
        """A server that answers is healthy, and no statement of the app was counted."""
        engine = create_engine(postgres.url())
        assert database_check(engine)() is HealthReason.OK
        engine.dispose()

    def test_a_full_pool_differs_from_an_unreachable_database(self, postgres: Postgres) -> None:
        """With all connections taken it is the pool; with the server gone it is the server."""
        engine = create_engine(postgres.url(), pool_size=1, max_overflow=0)
        check = database_check(engine, patience=0.1)
        with engine.connect():
            assert check() is HealthReason.POOL_EXHAUSTED
            postgres.stop()
            with pytest.raises(ConnectionError):
                check()
        engine.dispose()
        with pytest.raises(ConnectionError):
            check()

    def test_a_pool_that_is_full_for_a_moment_is_healthy(self, postgres: Postgres) -> None:
        """A connection that is returned within the check's timeout is enough."""
        engine = create_engine(postgres.url(), pool_size=1, max_overflow=0)
        taken = engine.connect()
        threading.Timer(0.2, taken.close).start()
        assert database_check(engine, patience=10)() is HealthReason.OK
        engine.dispose()

    async def test_an_async_engine_is_checked_in_its_own_loop(
        self, postgres: Postgres, async_postgres: AsyncEngine
    ) -> None:
        """The async check has the same answers."""
        check = database_check(async_postgres, patience=0.1)

        async def answer() -> HealthReason:
            return HealthReason(await check())  # type: ignore[misc]

        assert await answer() is HealthReason.OK
        async with async_postgres.connect() as connection:
            await connection.execute(text("SELECT 1"))
            assert await answer() is HealthReason.POOL_EXHAUSTED
        await asyncio.to_thread(postgres.stop)
        with pytest.raises(OSError):  # noqa: PT011  # whichever the driver raises
            await answer()

    async def test_a_database_that_hangs_costs_no_more_than_the_timeout(
        self, otlp: Receiver, postgres: Postgres
    ) -> None:
        """A frozen server is a timeout in the app's health, in the time that was set for it."""
        engine = create_engine(postgres.url())
        app = FastAPI()
        postgres.freeze()
        async with observed(
            app,
            otlp,
            engine=engine,
            health_timeout=2.5,
            health_deadline=60.0,
            health_token="let-me-in",
        ) as client:
            started = time.monotonic()
            answer = await client.get("/health/detailed", {"authorization": "Bearer let-me-in"})
            assert 2.5 <= time.monotonic() - started < 30
            assert "timeout" in answer.text
            assert "127.0.0.1" not in answer.text
        postgres.thaw()
        engine.dispose()


def repeating_app(engine: Engine) -> FastAPI:
    """Return an app with an endpoint that loads rows one by one."""
    app = FastAPI()

    @app.get("/rows/{count}")
    def rows(count: int) -> int:
        with engine.connect() as connection:
            for n in range(count):
                connection.execute(text(f"SELECT {n}, 'Ann{n}' AS secret_name"))
        return count

    @app.get("/columns/{count}")
    def columns(count: int) -> int:
        with engine.connect() as connection:
            for n in range(count):
                connection.execute(text(f"SELECT 1 AS column_{n}"))
        return count

    return app


async def test_n_plus_one_is_counted_and_logged_once(
    otlp: Receiver, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A statement repeated up to the threshold gives one warning, without its values."""
    async with observed(
        repeating_app(engine), otlp, engine=engine, n_plus_one_threshold=5
    ) as client:
        with caplog.at_level(logging.WARNING):
            await client.get("/rows/4")
            await client.get("/columns/12")
            assert not [r for r in caplog.records if r.name.startswith("etter_obs.database")]
            await client.get("/rows/12")
        metrics = (await client.get("/metrics")).text
    (record,) = [r for r in caplog.records if r.name.startswith("etter_obs.database")]
    assert record.__dict__["statement"] == "SELECT ?, ? AS secret_name"
    assert record.__dict__["count"] == 12
    assert record.__dict__["endpoint"] == "/rows/{count}"
    assert 'etter_db_n_plus_one_total{endpoint="/rows/{count}"} 1' in metrics
    assert 'etter_db_queries_per_request_sum{endpoint="/rows/{count}"} 16' in metrics


async def test_the_database_time_of_a_request_belongs_to_its_route(
    otlp: Receiver, engine: Engine
) -> None:
    """The times by route add up to those of all statements, failed ones included; none is 0."""
    app = repeating_app(engine)

    @app.get("/broken")
    def broken() -> None:
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text("SELECT * FROM nowhere"))

    @app.get("/idle")
    def idle() -> None: ...

    async with observed(app, otlp, engine=engine) as client:
        for path in ("/rows/3", "/rows/5", "/broken", "/idle"):
            await client.get(path)
        lines = (await client.get("/metrics")).text.splitlines()
    values = {
        name: float(rest.split()[0])
        for name, _, rest in (s.partition(" ") for s in lines if s[:1] != "#")
    }
    spent = "etter_db_time_per_request_seconds"
    of = {
        route: values[f'{spent}_sum{{endpoint="{route}"}}']
        for route in ("/rows/{count}", "/broken")
    }
    assert min(of.values()) > 0
    assert sum(of.values()) == pytest.approx(
        values['etter_db_query_duration_seconds_sum{query_type="select"}']
    )
    assert values[f'{spent}_count{{endpoint="/rows/{{count}}"}}'] == 2
    assert f'{spent}_count{{endpoint="/idle"}}' not in values


@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
async def test_statements_make_spans_where_the_request_is_sampled(
    otlp: Receiver, engine: Engine, sampler: str
) -> None:
    """The spans of a sampled request's statements are its children; otherwise there are none."""
    async with observed(repeating_app(engine), otlp, engine=engine, sampler=sampler) as client:
        await client.get("/rows/2")
    if sampler == "always_off":
        assert otlp.recorded == []
        return
    server = otlp.named("GET /rows/{count}")
    children = [span for span in otlp.spans if span.parent_id == server.span_id]
    texts = sorted(str(span.attributes.get("db.query.text")) for span in children)
    assert texts == ["SELECT ?, ? AS secret_name"] * 2
    assert {span.attributes["db.system.name"] for span in children} == {"sqlite"}
