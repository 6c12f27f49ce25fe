"""The example backend in process, on one seeded PostgreSQL and one Valkey for all tests.

Each test has an app of its own, whose sessions join a transaction that is rolled back at the end.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from examples.etter_backend.application import create_app
from examples.etter_backend.backend import Backend
from examples.etter_backend.cache.embedded import redis_server
from examples.etter_backend.controls.features import Feature
from examples.etter_backend.database.engines import async_url, sync_url
from examples.etter_backend.migrations import INDEXES, TABLES, migrate
from examples.etter_backend.schemas.users import Account
from examples.etter_backend.seed import SMALL, seed
from examples.etter_backend.settings import Settings
from tests.http_server import Call, http_server
from tests.services import Postgres, free_port
from tests.waiting import eventually

API = "/api/etter"
SECRET = "a secret of the tests that is long enough"


@pytest.fixture(scope="session")
def guide_database(shared_postgres: Postgres) -> str:
    """A seeded database, whose own time zone is not UTC; its URL."""
    server = create_engine(shared_postgres.url(), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE guide"))
        connection.execute(text("ALTER DATABASE guide SET timezone = 'Asia/Tokyo'"))
    server.dispose()
    url = str(make_url(shared_postgres.url()).set(database="guide"))
    engine = create_engine(url)
    migrate(engine, TABLES)
    with engine.begin() as connection:
        seed(connection, SMALL)
    migrate(engine, INDEXES)
    engine.dispose()
    return url.replace("+psycopg", "")


@pytest.fixture
def guide_engine(guide_database: str) -> Iterator[Engine]:
    """A sync engine of the seeded database, for what must not be in a transaction."""
    engine = create_engine(guide_database.replace("postgresql", "postgresql+psycopg"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def guide_redis() -> Iterator[str]:
    """The URL of a Valkey for all these tests."""
    with redis_server(free_port()) as url, redis.Redis.from_url(url) as client:
        eventually(lambda: _answers(client), deadline_s=30, every_s=0.02)
        yield url


def _answers(client: redis.Redis) -> bool:
    with suppress(RedisError):
        return bool(client.ping())
    return False


@pytest.fixture(scope="session")
def guide_models() -> Iterator[str]:
    """A model service on loopback: the neighbours of a name are its letters; its URL."""

    def answer(call: Call) -> tuple[int, bytes]:
        return 200, json.dumps(sorted(set(call.path.rpartition("/")[2]))).encode()

    with http_server(answer) as url:
        yield url


@pytest.fixture
def settings(
    guide_database: str, guide_redis: str, guide_models: str, tmp_path: Path
) -> Callable[..., Settings]:
    """Return settings on both servers, with more variables where the test gives them."""

    def make(**variables: str) -> Settings:
        return Settings.from_env(
            {
                "DATABASE_URL": guide_database,
                "REDIS_URL": guide_redis,
                "ETTER_MODEL_URL": guide_models,
                "ETTER_RUN_DIR": tempfile.mkdtemp(dir=tmp_path),
                "ETTER_AUTH_SECRET": SECRET,
                "ETTER_FAULTS": "on",
                **variables,
            }
        )

    return make


class Client(httpx.AsyncClient):
    """A client of an app in this process, with what a test asks of it."""

    def __init__(self, backend: Backend, app: Any, account: Account | None) -> None:
        self.backend = backend
        self.app = app
        headers = {}
        if account is not None:
            headers["Authorization"] = f"Bearer {backend.tokens.issue(account)}"
        super().__init__(
            # The app answers a failure, as a server would show it.
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url=f"http://127.0.0.1:1{API}",
            headers=headers,
        )

    def flip(self, feature: Feature, *, enabled: bool) -> None:
        """Turn a feature on or off."""
        self.backend.features.flip(feature, enabled=enabled)

    @contextmanager
    def selects(self) -> Iterator[list[str]]:
        """Note every SELECT that the app runs in the block."""
        seen: list[str] = []

        def note(*given: Any) -> None:
            if given[2].startswith("SELECT"):
                seen.append(given[2])

        event.listen(Engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(Engine, "before_cursor_execute", note)


ADMIN = Account(id=1, company_id=1, email="user1@company1.example", username="user1", is_admin=True)
USER = Account(
    id=65, company_id=1, email="user65@company1.example", username="user65", is_admin=False
)


@asynccontextmanager
async def serving(
    settings: Settings, *, account: Account | None = None, rolls_back: bool = True
) -> AsyncIterator[Client]:
    """Run an app for these settings; what its requests commit is rolled back, or stays."""
    async with AsyncExitStack() as stack:
        connections = await _connections(settings, stack) if rolls_back else None
        stack.push_async_callback(_last_statements)
        backend = Backend(settings, connections=connections)
        app = create_app(backend)
        stack.callback(app.state.observability.shutdown, 0.1)
        await stack.enter_async_context(backend.running())
        with suppress(RedisError):
            await backend.redis.client.flushdb()
        yield await stack.enter_async_context(Client(backend, app, account))


async def _last_statements() -> None:
    """Wait for what the app left in the event loop, before its connection is closed.

    SQLAlchemy shields the close of a session from a cancelled health check, and psycopg goes on
    reading from a connection that is freed meanwhile: the process crashes.
    """
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        await asyncio.wait(left, timeout=10)


async def _connections(
    settings: Settings, stack: AsyncExitStack
) -> tuple[AsyncConnection, Connection]:
    """Return a connection of each kind in a transaction, which the stack rolls back."""
    asynchronous = create_async_engine(async_url(settings))
    stack.push_async_callback(asynchronous.dispose)
    waiting = await stack.enter_async_context(asynchronous.connect())
    await waiting.begin()
    synchronous = create_engine(sync_url(settings))
    stack.callback(synchronous.dispose)
    blocking = stack.enter_context(synchronous.connect())
    blocking.begin()
    return waiting, blocking


@pytest.fixture
async def client(settings: Callable[..., Settings]) -> AsyncIterator[Client]:
    """A client that is an administrator of the first company; nothing that it writes stays."""
    async with serving(settings(), account=ADMIN) as started:
        yield started
