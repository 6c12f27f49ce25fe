"""The async and the sync engine of a worker, with the same limits."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, NamedTuple

from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from examples.etter_backend.controls.faults import FaultSwitch, Target
from examples.etter_backend.controls.features import Feature
from examples.etter_backend.settings import Settings

_ASYNC_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
_SYNC_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
_CONNECT_SECONDS: Final = 3
_CHECKOUT_SECONDS: Final = 5
"""Timeout for a connection from the pool."""


class Engines(NamedTuple):
    """Both engines; only one of them is in use at a time."""

    asynchronous: AsyncEngine
    synchronous: Engine

    async def dispose(self) -> None:
        """Close all connections."""
        await self.asynchronous.dispose()
        self.synchronous.dispose()


def make_engines(settings: Settings, faults: FaultSwitch) -> Engines:
    """Return the engines for the configured database: SQLite or PostgreSQL.

    Both use psycopg, so the switch of the async database does not compare two drivers. With a URL
    of ``postgresql+asyncpg://`` the async engine uses asyncpg.
    """
    options = _options(settings)
    asynchronous = create_async_engine(
        async_url(settings), connect_args=_connect_args(async_url(settings), settings), **options
    )
    synchronous = create_engine(
        sync_url(settings), connect_args=_connect_args(sync_url(settings), settings), **options
    )
    for engine in (asynchronous.sync_engine, synchronous):
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
    if faults.enabled:
        _make_breakable(asynchronous.sync_engine, faults, is_async=True)
        _make_breakable(synchronous, faults, is_async=False)
    return Engines(asynchronous, synchronous)


def async_url(settings: Settings) -> URL:
    """Return the URL of the async engine."""
    url = settings.database_url
    return url.set(drivername=_ASYNC_DRIVERS.get(url.drivername, url.drivername))


def sync_url(settings: Settings) -> URL:
    """Return the URL of the sync engine, for the same database."""
    url = settings.database_url
    return url.set(drivername=_SYNC_DRIVERS[url.get_backend_name()])


def _options(settings: Settings) -> dict[str, Any]:
    if Feature.POOL not in settings.features:
        return {"poolclass": NullPool}
    size, overflow = settings.pool
    return {
        "pool_size": size,
        "max_overflow": overflow,
        "pool_recycle": settings.pool_recycle,
        "pool_timeout": _CHECKOUT_SECONDS,
        "pool_pre_ping": settings.database_url.get_backend_name() != "sqlite",
    }


def _connect_args(url: URL, settings: Settings) -> dict[str, Any]:
    """Return the driver's options.

    The statement timeout and the time zone are options of the connection. A ``SET`` in a
    ``connect`` event is part of a transaction, so a rollback would undo it.
    """
    limit = str(settings.statement_timeout_ms)
    driver = url.get_driver_name()
    if driver == "asyncpg":
        start = {"statement_timeout": limit, "timezone": "UTC"}
        return {"timeout": _CONNECT_SECONDS, "server_settings": start}
    if url.get_backend_name() == "postgresql":
        options = f"-c statement_timeout={limit} -c timezone=UTC"
        return {"connect_timeout": _CONNECT_SECONDS, "options": options}
    return {"timeout": 5}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # workers share the file
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _make_breakable(engine: Engine, faults: FaultSwitch, *, is_async: bool) -> None:
    @event.listens_for(engine, "checkout")
    def refuse(*_: object) -> None:
        fault = faults.current().get(Target.DATABASE)
        if fault is not None and fault.strikes():
            raise engine.dialect.loaded_dbapi.OperationalError("broken on purpose")

    @event.listens_for(engine, "do_execute")
    def delay(*_: object) -> None:
        fault = faults.current().get(Target.DATABASE)
        if fault is None:
            return
        if is_async:
            await_only(asyncio.sleep(fault.latency_seconds))
        else:
            time.sleep(fault.latency_seconds)
