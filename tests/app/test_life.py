"""Set-up at any moment of an app's life, with engines that come later, on any event loop."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis as redis_py
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool

from demo.databases import Redis, free_port
from etter_obs import Settings, cached, setup_observability
from tests.app.asgi import observed, request, scrape
from tests.servers import Running, running
from tests.waiting import eventually

APP = "tests.app.ending_app"


def engine_for(path: Any) -> Any:
    """Return an engine with a pool, over a database of its own."""
    return create_engine(f"sqlite:///{path}", poolclass=QueuePool)


async def checks(app: Any) -> dict[str, str]:
    """Return what the detailed health says of each check."""
    answer = await request(app, "GET", "/health/detailed", client=("127.0.0.1", 1))
    found: dict[str, str] = json.loads(answer.body)["checks"]
    return found


async def test_a_second_call_adds_what_it_is_given(tmp_path: Any, redis_server: Redis) -> None:
    """Engines and clients of a later call are measured and checked; the same ones are not twice."""
    app = FastAPI()
    engine, client = engine_for(tmp_path / "a"), redis_py.Redis.from_url(redis_server.url)
    with observed(app) as observability:
        for _ in range(2):
            assert setup_observability(app, engine=engine, redis=client) is observability
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        client.get("key")
        assert await checks(app) == {"database": "healthy", "redis": "healthy"}
        metrics = await scrape(app)
        assert metrics.value("db_query_duration_seconds_count", "select") == 1
        assert metrics.value("redis_command_duration_seconds_count", "get") == 1
    client.close()


async def test_several_engines_are_checked_each_by_its_own_name(tmp_path: Any) -> None:
    """A mapping names them; without names they are numbered; pools are distinguished."""
    app = FastAPI()
    named = {name: engine_for(tmp_path / name) for name in ("orders", "reports")}
    unnamed = [engine_for(tmp_path / name) for name in ("x", "y")]
    with observed(app) as observability:
        setup_observability(app, engine=named)
        for engine in unnamed:
            setup_observability(app, engine=engine)
        observability.observe_engine(engine_for(tmp_path / "z"), name="archive")
        expected = {"orders", "reports", "database", "database-2", "archive"}
        assert set(await checks(app)) == expected
        sizes = (await scrape(app)).of("db_pool_size")
        assert {pool for (pool,) in sizes} == expected - {"database"} | {"default"}


@pytest.mark.parametrize("where", ["import", "lifespan"])
def test_what_a_lifespan_makes_is_observed_until_the_next_one(
    where: str, tmp_path: Path, redis_server: Redis
) -> None:
    """However often the app starts, each start has its own engines and clients, by the same names.

    Two for one database or server stand side by side, as do two of one start; what is observed
    before the app starts stays.
    """
    made: list[Any] = []
    settings = Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        setup_observability(app, settings=settings)
        for _ in range(2):
            made.append(engine_for(tmp_path / "a"))
            client = redis_py.Redis.from_url(redis_server.url)
            setup_observability(app, engine=made[-1], redis=client)
        yield
        for engine in made:
            engine.dispose()

    app = FastAPI(lifespan=lifespan)
    expected = {"database", "database-2", "redis", "redis-2"}
    if where == "import":
        setup_observability(app, engine={"kept": engine_for(tmp_path / "b")}, settings=settings)
        expected |= {"kept"}
    try:
        for _ in range(3):
            with TestClient(app, client=("127.0.0.1", 1)) as client:
                detail = client.get("/health/detailed").json()["checks"]
                assert detail == dict.fromkeys(expected, "healthy")
                page = client.get("/metrics").text
                before = counted(page, "etter_db_query_duration_seconds_count")
                for engine in made:
                    with engine.connect() as connection:
                        connection.execute(text("select 1"))
                page = client.get("/metrics").text
                assert counted(page, "etter_db_query_duration_seconds_count") - before == 2
    finally:
        setup_observability(app, settings=settings).shutdown()


def counted(page: str, name: str) -> float:
    """Return the sum of a metric's samples on a page."""
    lines = [line for line in page.splitlines() if line.startswith(name + "{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_a_name_that_is_given_again_is_for_the_newer_one(
    tmp_path: Path, redis_server: Redis
) -> None:
    """The older one is no longer observed; ``cached`` functions keep on having a cache."""

    @cached(name="prices", ttl=60, key=lambda item: item)
    def price(item: str) -> int:
        calls.append(item)
        return 7

    calls: list[str] = []
    app = FastAPI()
    older, newer = engine_for(tmp_path / "a"), engine_for(tmp_path / "b")
    clients = [redis_py.Redis.from_url(redis_server.url) for _ in range(3)]
    with observed(app) as observability:
        for engine, client in zip((older, newer), clients[:2], strict=True):
            observability.observe_redis(clients[2], name="sessions")
            observability.observe_engine(engine, name="orders")
            observability.observe_redis(client, name="prices")
        observability.observe_redis(redis_py.Redis.from_url(redis_server.url), name="sessions")
        assert set(await checks(app)) == {"orders", "prices", "sessions"}
        for engine in (older, newer):
            with engine.connect() as connection:
                connection.execute(text("select 1"))
        metrics = await scrape(app)
        assert metrics.value("db_query_duration_seconds_count", "select") == 1
        assert [price("a"), price("a")] == [7, 7]
        assert calls == ["a"]
    for client in clients:
        client.close()


async def test_several_redis_clients_are_checked_each(redis_server: Redis) -> None:
    """A second client for another database does not take the first one's check."""
    app = FastAPI()
    urls = [redis_server.url, redis_server.url.removesuffix("0") + "1"]
    clients = [redis_py.Redis.from_url(url) for url in urls]
    with observed(app):
        for client in clients:
            setup_observability(app, redis=client)
        assert await checks(app) == {"redis": "healthy", "redis-2": "healthy"}
    for client in clients:
        client.close()


def management(run: Running, port: int, path: str) -> int:
    """Return the status that the management port gives, 0 while it is closed."""
    assert run.process.poll() is None, run.said()
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code
    except httpx.TransportError:
        return 0


WITHOUT_LIFESPAN: list[tuple[str, tuple[str, ...]]] = [
    ("uvicorn", ("--lifespan", "off")),
    ("uvicorn-workers", ("--lifespan", "off")),
    ("gunicorn", ("--worker-class", "tests.app.no_lifespan.Worker")),
    ("granian", ("--interface", "asginl")),
]


@pytest.mark.parametrize(
    ("server", "where", "arguments"),
    [("uvicorn", "lifespan", ()), ("hypercorn", "lifespan", ())]
    + [(server, "import", given) for server, given in WITHOUT_LIFESPAN]
    + [("uvicorn", "factory", ("--lifespan", "off"))],
)
def test_the_management_port_opens_without_a_request(
    server: str, where: str, arguments: tuple[str, ...]
) -> None:
    """Probes on it pass although no request comes; at SIGTERM it says that it drains."""
    port = free_port()
    name = "make" if where == "factory" else "app"
    with running(
        server,
        f"{APP}:{name}",
        *arguments,
        factory=where == "factory",
        wait=False,
        environment={
            "WHERE": where,
            "ETTER_OBS_MANAGEMENT_PORT": str(port),
            "ETTER_OBS_DRAIN_SECONDS": "30",
        },
    ) as run:
        for path in ("/health/live", "/health/startup", "/health/ready"):
            eventually(
                lambda path=path: management(run, port, path) == 200,  # type: ignore[misc]
                deadline_s=60,
                every_s=0.05,
                tell=run.said,
            )
        if server != "uvicorn":
            return  # others end without the delay: see tests/health/test_draining.py
        run.process.terminate()
        eventually(
            lambda: management(run, port, "/health/ready") == 503, deadline_s=30, tell=run.said
        )
        run.process.terminate()  # a second one ends the wait


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian"])
@pytest.mark.parametrize("where", ["import", "lifespan"])
def test_a_start_that_goes_on_after_set_up_is_not_over(
    server: str, where: str, tmp_path: Path
) -> None:
    """The management port reports "starting" until the app's lifespan has yielded.

    A load balancer that believed otherwise would send requests to a port that is still closed.
    """
    port, go = free_port(), tmp_path / "go"
    environment = {"WHERE": where, "GO": str(go), "ETTER_OBS_MANAGEMENT_PORT": str(port)}
    with running(server, f"{APP}:app", wait=False, environment=environment) as run:
        eventually(
            lambda: management(run, port, "/health/live") == 200, deadline_s=60, tell=run.said
        )
        for _ in range(5):
            assert management(run, port, "/health/startup") == 503
            assert management(run, port, "/health/ready") == 503
        go.touch()
        for path in ("/health/startup", "/health/ready"):
            eventually(
                lambda path=path: management(run, port, path) == 200,  # type: ignore[misc]
                deadline_s=30,
                tell=run.said,
            )


def test_on_trio_the_app_runs_untouched_and_one_line_says_so() -> None:
    """Requests are served, none of our endpoints answers, and the lines are still JSON."""
    with running("hypercorn-trio", f"{APP}:app", environment={"WHERE": "import"}) as run:
        assert run.get("/work").status_code == 200
        assert run.get("/health/live").status_code == 404
        assert "X-Request-ID" not in run.get("/work").headers
        assert run.end() == 0
        said = [line for line in run.lines if "its event loop is not asyncio" in line["message"]]
        assert len(said) == 1
        assert [line["message"] for line in run.lines].count("working") == 2
        assert "Traceback" not in run.said()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_an_app_is_tested_on_trio_as_without_us(anyio_backend: str) -> None:
    """Anyio's tests with the trio back-end start, ask and end an app that is observed."""
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        seen.append("started")
        yield
        seen.append("ended")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def root() -> str:
        return anyio_backend

    with observed(app):
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                assert (await client.get("/")).json() == "trio"
    assert seen == ["started", "ended"]


def test_a_settings_object_of_a_second_call_is_ignored() -> None:
    """The first call decides; a further one only adds."""
    app = FastAPI()
    with observed(app) as observability:
        assert setup_observability(app, settings=Settings(log_level="DEBUG")) is observability
        assert observability.settings.log_level == "INFO"
