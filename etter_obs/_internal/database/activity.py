"""``db_connections_active``: from PostgreSQL, else the connections in use of the pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy.util import greenlet_spawn

from etter_obs._internal.conventions import DB_CONNECTIONS
from etter_obs._internal.database.pool import pool_state
from etter_obs._internal.refresh import RefreshedValue

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from etter_obs._internal.metrics.registry import MetricsRegistry

# Active connections run a statement or hold a transaction open.
_ACTIVE: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND state IS NOT NULL AND state <> 'idle' AND pid <> pg_backend_pid()"
)
_MAX_AGE: Final = 10.0


def watch_connections(engine: Engine, registry: MetricsRegistry) -> Callable[[], None]:
    """Set the gauge before every scrape; return the undo.

    A separate thread queries PostgreSQL over a connection of its own, because the pool may be
    exhausted when the value matters most.
    """
    gauge = registry.gauge(DB_CONNECTIONS).child()
    server: RefreshedValue[int] | None = None
    if engine.dialect.name == "postgresql":
        server = RefreshedValue(lambda: _ask(engine), max_age=_MAX_AGE)

    def read() -> None:
        active = server.get() if server else None
        if active is None:
            state = pool_state(engine.pool)
            active = state.in_use if state else None
        if active is not None:
            gauge.set(active)

    return registry.on_scrape(read)


def _ask(engine: Engine) -> int:
    if engine.dialect.is_async:
        return asyncio.run(greenlet_spawn(_count, engine))
    return _count(engine)


def _count(engine: Engine) -> int:
    own = engine.pool.recreate()
    try:
        connection = own.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(_ACTIVE)
            (count,) = cursor.fetchone() or (0,)
            cursor.close()
        finally:
            connection.close()
    finally:
        own.dispose()
    return int(count)
