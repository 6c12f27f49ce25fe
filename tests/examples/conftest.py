"""The example backend in process, on one seeded PostgreSQL and one Valkey for all tests.

Each test has an app of its own, whose sessions join a transaction that is rolled back at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from examples.etter_backend.application import create_app
from examples.etter_backend.backend import Backend
from examples.etter_backend.cache.embedded import redis_server
from examples.etter_backend.migrations import INDEXES, TABLES, migrate
from examples.etter_backend.schemas.users import Account
from examples.etter_backend.seed import SMALL, seed
from examples.etter_backend.settings import Settings
from tests.services import Postgres, free_port

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
    with redis_server(free_port()) as url:
        yield url


@pytest.fixture
def settings(guide_database: str, guide_redis: str, tmp_path: Path) -> Callable[..., Settings]:
    """Return settings on both servers, with more variables where the test gives them."""

    def make(**variables: str) -> Settings:
        return Settings.from_env(
            {
                "DATABASE_URL": guide_database,
                "REDIS_URL": guide_redis,
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

    def flip(self, feature: Any, enabled: bool) -> None:
        """Turn a feature on or off."""
        self.backend.features.flip(feature, enabled=enabled)


ADMIN = Account(id=1, company_id=1, email="user1@company1.example", username="user1", is_admin=True)
USER = Account(
    id=65, company_id=1, email="user65@company1.example", username="user65", is_admin=False
)

Serve: TypeAlias = Callable[..., Any]


@asynccontextmanager
async def serving(settings: Settings, *, rolls_back: bool, account: Account | None) -> Any:
    """Run an app for these settings; what its requests commit is rolled back, or stays."""
    url = str(settings.database_url).replace("postgresql:", "postgresql+psycopg:")
    asynchronous, synchronous = create_async_engine(url), create_engine(url)
    try:
        async with asynchronous.connect() as waiting:
            with synchronous.connect() as blocking:
                if rolls_back:
                    await waiting.begin()
                    blocking.begin()
                    backend = Backend(settings, connections=(waiting, blocking))
                else:
                    await waiting.close()
                    backend = Backend(settings)
                app = create_app(backend)
                try:
                    async with backend.running(), Client(backend, app, account) as client:
                        await backend.redis.client.flushdb()
                        yield client
                finally:
                    app.state.observability.shutdown(0.1)
                    await waiting.rollback()
                    blocking.rollback()
    finally:
        await asynchronous.dispose()
        synchronous.dispose()


@pytest.fixture
async def client(settings: Callable[..., Settings]) -> AsyncIterator[Client]:
    """A client that is an administrator of the first company; nothing that it writes stays."""
    async with serving(settings(), rolls_back=True, account=ADMIN) as started:
        yield started
