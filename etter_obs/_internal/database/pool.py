"""The connection pool: its size and use at every scrape, and the time that callers wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from sqlalchemy import event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import Pool, QueuePool

from etter_obs._internal import conventions

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import PoolProxiedConnection

    from etter_obs._internal.metrics.registry import MetricsRegistry


def as_sync(engine: Engine | AsyncEngine) -> Engine:
    """Return the sync engine, which has the pool, the dialect and the events."""
    # Not isinstance(): sqlalchemy.ext.asyncio cannot be imported without greenlet.
    either: Any = engine
    return cast("Engine", getattr(either, "sync_engine", either))


class PoolState(NamedTuple):
    """Connections of a pool: kept, limit (None: no limit), in use, above the pool's size."""

    size: int
    limit: int | None
    in_use: int
    overflow: int

    @property
    def exhausted(self) -> bool:
        """Return whether the next caller must wait."""
        return self.limit is not None and self.in_use >= self.limit


def pool_state(pool: Pool) -> PoolState | None:
    """Return the state of a pool; None for pools without a queue (NullPool, StaticPool)."""
    if not isinstance(pool, QueuePool):
        return None
    extra = pool._max_overflow  # SQLAlchemy has no public name for it; -1 means no limit
    return PoolState(
        size=pool.size(),
        limit=None if extra < 0 else pool.size() + extra,
        in_use=pool.checkedout(),
        overflow=max(pool.overflow(), 0),
    )


class PoolMetrics:
    """Metrics of an engine's pool.

    ``dispose()`` gives an engine a new pool; the metrics follow it.

    Args:
        engine: the engine.
        registry: accepts the ``db_pool_*`` metrics.
        name: value of the label ``pool``.
    """

    def __init__(self, engine: Engine, registry: MetricsRegistry, name: str) -> None:
        self._engine = engine
        self._size = registry.gauge(conventions.DB_POOL_SIZE).child(name)
        self._limit = registry.gauge(conventions.DB_POOL_LIMIT).child(name)
        self._in_use = registry.gauge(conventions.DB_POOL_IN_USE).child(name)
        self._overflow = registry.gauge(conventions.DB_POOL_OVERFLOW).child(name)
        self._utilisation = registry.gauge(conventions.DB_POOL_UTILISATION).child(name)
        self._wait = registry.histogram(conventions.DB_POOL_WAIT).child(name)
        self._timeouts = registry.counter(conventions.DB_POOL_TIMEOUTS).child(name)
        self._unpatch = self._patch(engine.pool)
        event.listen(engine, "engine_disposed", self._take_over)
        self._off_scrape = registry.on_scrape(self._read)

    def close(self) -> None:
        """Stop measuring and restore the pool's methods."""
        self._off_scrape()
        event.remove(self._engine, "engine_disposed", self._take_over)
        self._unpatch()

    def _take_over(self, engine: Engine) -> None:
        self._unpatch()
        self._unpatch = self._patch(engine.pool)

    def _patch(self, pool: Pool) -> Callable[[], None]:
        connect = pool.connect

        def timed_connect() -> PoolProxiedConnection:
            started = time.perf_counter()
            try:
                return connect()
            except PoolTimeoutError:
                self._timeouts.inc()
                raise
            finally:
                self._wait.observe(time.perf_counter() - started)

        pool.connect = timed_connect  # type: ignore[method-assign]

        def undo() -> None:
            if pool.__dict__.get("connect") is timed_connect:
                del pool.__dict__["connect"]

        return undo

    def _read(self) -> None:
        state = pool_state(self._engine.pool)
        if state is None:
            return
        self._size.set(state.size)
        self._in_use.set(state.in_use)
        self._overflow.set(state.overflow)
        if state.limit:
            self._limit.set(state.limit)
            self._utilisation.set(state.in_use / state.limit)
