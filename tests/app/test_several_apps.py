"""Several apps in one process: what only one of them can have at a time, and what they leave."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import pytest
from fakeredis import FakeRedis
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import QueuePool

from etter_obs import SettingsError, counted, setup_observability
from tests.app.asgi import request, scrape
from tests.waiting import eventually


@counted("shared")
def work() -> None:
    """Count where the process counts."""


async def calls(app: FastAPI) -> float:
    """Return what an app shows of the calls of ``work``."""
    return (await scrape(app)).value("function_calls_total", "shared")


async def test_decorated_functions_count_in_the_newest_app_that_still_runs() -> None:
    """Apps may end in any order: a call counts in the newest of those left, and nowhere else."""
    apps = [FastAPI() for _ in range(3)]
    first, second = setup_observability(apps[0]), setup_observability(apps[1])
    work()
    assert [await calls(app) for app in apps[:2]] == [0, 1]
    second.shutdown()
    work()
    assert await calls(apps[0]) == 1
    third = setup_observability(apps[2])
    first.shutdown()
    work()
    assert await calls(apps[2]) == 1
    third.shutdown()
    work()  # counts nowhere, and fails nowhere


@pytest.fixture
def engine() -> Engine:
    """An engine as a module has it, for every app that is made."""
    return create_engine(
        "sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False}
    )


def use(engine: Engine, client: FakeRedis) -> None:
    """Send one statement and one command."""
    with engine.connect() as connection:
        connection.execute(text("select 1"))
    client.get("a")


async def used(app: FastAPI) -> tuple[float, float]:
    """Return the statements and the commands that an app shows."""
    metrics = await scrape(app)
    return (
        metrics.value("db_query_duration_seconds_count", "select"),
        metrics.value("redis_command_duration_seconds_count", "get"),
    )


async def test_an_engine_and_a_client_of_several_apps_are_the_newest_ones(engine: Engine) -> None:
    """Each statement and command counts once, in whatever order apps end, and at last nowhere."""
    client = FakeRedis()
    plain = (engine.pool.connect, client.execute_command)
    apps = [FastAPI() for _ in range(3)]
    handles = [setup_observability(app, engine=engine, redis=client) for app in apps]
    use(engine, client)
    assert [await used(app) for app in apps] == [(0, 0), (0, 0), (1, 1)]
    handles[1].shutdown()
    use(engine, client)
    assert [await used(apps[0]), await used(apps[2])] == [(0, 0), (2, 2)]
    handles[2].shutdown()
    use(engine, client)
    assert await used(apps[0]) == (1, 1)
    handles[0].shutdown()
    use(engine, client)
    assert (engine.pool.connect, client.execute_command) == plain


async def test_hundreds_of_apps_around_one_engine_nest_nothing(engine: Engine) -> None:
    """With 300 apps alive a statement and a command work, and count once."""
    client = FakeRedis()
    apps = [FastAPI() for _ in range(300)]
    handles = [setup_observability(app, engine=engine, redis=client) for app in apps]
    try:
        use(engine, client)
        assert await used(apps[-1]) == (1, 1)
        assert await used(apps[0]) == (0, 0)
    finally:
        for handle in handles:
            handle.shutdown()


async def _make(engine: Engine, client: FakeRedis) -> weakref.ref[FastAPI]:
    """Make an app as a test's factory does, use it, and drop it."""
    app = FastAPI()

    async def check() -> None:
        assert app.routes

    @app.get("/")  # FastAPI caches endpoints for good: this one must not refer to the app
    async def answer() -> int:
        return 1

    handle = setup_observability(app, engine=engine, redis=client)
    handle.health.add("own", check)
    app.state.handle = handle
    async with app.router.lifespan_context(app):
        for path in ("/", "/nowhere", "/health/ready", "/metrics"):
            await request(app, "GET", path)
    return weakref.ref(app)


async def test_apps_that_are_dropped_leave_nothing(engine: Engine) -> None:
    """Apps dropped without a shutdown leave no memory, threads or callbacks."""
    client = FakeRedis()
    counts = []
    for _ in range(3):
        dropped = [await _make(engine, client) for _ in range(15)]
        gc.collect()
        assert not [app for app in dropped if app() is not None]
        last = setup_observability(FastAPI())  # ends those that are gone
        last.shutdown()
        eventually(lambda: threading.active_count() < 10, deadline_s=30)
        gc.collect()
        counts.append((len(gc.get_objects()), len(gc.callbacks)))
    (_, callbacks), (middle, _), (end, callbacks_after) = counts
    assert callbacks_after == callbacks
    assert end - middle < 15 * 60


def test_set_ups_that_are_refused_leave_one_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often bad settings are caught, only one excepthook is installed."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setenv("ETTER_OBS_METRICS_SERIES_CAP", "many")
    hooks = set()
    for _ in range(300):
        with pytest.raises(SettingsError):
            setup_observability(FastAPI())
        hooks.add(sys.excepthook)
    assert len(hooks) == 1
