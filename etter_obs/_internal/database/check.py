"""A health check that distinguishes an exhausted pool from an unreachable database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy.util import greenlet_spawn

from etter_obs._internal.conventions import HealthReason
from etter_obs._internal.database.pool import as_sync, pool_state

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import Pool

_POLL_INTERVAL: Final = 0.05


def database_check(
    engine: Engine | AsyncEngine, *, patience: float = 1.0
) -> Callable[[], HealthReason | Awaitable[HealthReason]]:
    """Return a check for ``Health.add``: a coroutine function for an async engine, else a function.

    The check takes a connection from the pool, as a request does, and pings the server. If the pool
    has no free connection for ``patience`` seconds, the check connects outside the pool: it returns
    ``POOL_EXHAUSTED`` if the server answers. If the server does not answer, the check raises
    ``ConnectionError``. The check's own timeout limits the total time.

    Args:
        engine: a sync or async engine.
        patience: seconds to wait for a connection; a pool that is full for less time is healthy.

    Returns:
        The check.
    """
    sync_engine: Engine = as_sync(engine)

    dialect = sync_engine.dialect

    def ping(pool: Pool) -> None:
        try:
            connection = pool.connect()
            try:
                answers = dialect.do_ping(connection.dbapi_connection)  # type: ignore[arg-type]
            finally:
                connection.close()
        except (
            dialect.loaded_dbapi.OperationalError,
            dialect.loaded_dbapi.InterfaceError,
        ) as error:
            raise ConnectionError("the database does not answer") from error
        if not answers:  # SQLAlchemy before 2.0.3 catches the driver's error
            raise ConnectionError("the database does not answer")

    def ping_outside_the_pool() -> None:
        own = sync_engine.pool.recreate()
        try:
            ping(own)
        finally:
            own.dispose()

    def exhausted() -> bool:
        state = pool_state(sync_engine.pool)
        return state is not None and state.exhausted

    def check() -> HealthReason:
        give_up = time.monotonic() + patience
        while exhausted():
            if time.monotonic() > give_up:
                ping_outside_the_pool()
                return HealthReason.POOL_EXHAUSTED
            time.sleep(_POLL_INTERVAL)
        ping(sync_engine.pool)
        return HealthReason.OK

    async def check_async() -> HealthReason:
        give_up = time.monotonic() + patience
        while exhausted():
            if time.monotonic() > give_up:
                await greenlet_spawn(ping_outside_the_pool)
                return HealthReason.POOL_EXHAUSTED
            await asyncio.sleep(_POLL_INTERVAL)
        await greenlet_spawn(ping, sync_engine.pool)
        return HealthReason.OK

    return check_async if dialect.is_async else check
