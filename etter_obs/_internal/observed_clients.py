"""The engines and Redis clients of an app: each is measured and checked under its own name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from etter_obs._internal.optional_dependencies import ENGINES, REDIS_CLIENTS

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from etter_obs._internal.health import Health
    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.operations import Watch
    from etter_obs._internal.tracing import Tracing

_DATABASE: Final = "database"
_REDIS: Final = "redis"


class _Observed(NamedTuple):
    """An engine or a client, and the undo that stops its observation."""

    kind: str
    thing: object
    is_first: bool
    """Whether the state of the server is read through this one of its kind."""
    passes: bool
    """Whether it was created while the app ran, and so belongs to that run."""
    undo: Callable[[], None]


class ObservedClients:
    """The databases and caches that ``Observability`` observes.

    Args:
        metrics: The registry for their metrics.
        tracing: Provides the tracer provider for their spans.
        health: Registers the health checks.
        keep_results_in: Makes ``cached`` functions use a client; returns the undo.
        watch: Accepts every statement and command; None if nothing shows them.
    """

    def __init__(
        self,
        metrics: MetricsRegistry,
        tracing: Tracing,
        health: Health,
        keep_results_in: Callable[[Redis | AsyncRedis], Callable[[], None]],
        watch: Watch | None = None,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._health = health
        self._keep_results_in = keep_results_in
        self._watch = watch
        self._observed: dict[str, _Observed] = {}
        """By the name of the check."""
        self._runs = False

    def begin(self) -> None:
        """Forget the clients of an earlier run when the app starts again."""
        self._runs = True
        for name in [name for name, seen in self._observed.items() if seen.passes]:
            self._forget(name)

    def add_engine(self, engine: Engine | AsyncEngine, name: str | None) -> None:
        """Measure an engine and register a critical check of its database.

        Raises:
            ImportError: SQLAlchemy is older than the minimum version.
        """
        ENGINES.require()
        from etter_obs._internal.database import database_check, instrument_engine

        free = self._name_for(_DATABASE, engine, name)
        if free is None:
            return
        is_first = self._is_first_of(_DATABASE)
        pool = "default" if free == _DATABASE else free
        undo = instrument_engine(
            engine,
            self._metrics,
            self._tracing,
            pool=pool,
            watch_server=is_first,
            watch=self._watch,
        )
        self._observed[free] = _Observed(_DATABASE, engine, is_first, self._runs, undo)
        self._health.add(free, database_check(engine), critical=True)

    def add_redis(self, client: Redis | AsyncRedis, name: str | None) -> None:
        """Measure a client and register an optional check of its server.

        Raises:
            ImportError: redis-py is older than the minimum version.
        """
        REDIS_CLIENTS.require()
        from etter_obs._internal.cache import instrument_redis, redis_check

        free = self._name_for(_REDIS, client, name)
        if free is None:
            return
        is_first = self._is_first_of(_REDIS)
        with ExitStack() as undo:
            undo.callback(
                instrument_redis(
                    client, self._metrics, self._tracing, reads_server=is_first, watch=self._watch
                )
            )
            if is_first:
                undo.callback(self._keep_results_in(client))
            taken = undo.pop_all()
        self._observed[free] = _Observed(_REDIS, client, is_first, self._runs, taken.close)
        self._health.add(free, redis_check(client), critical=False)

    def close(self) -> None:
        """Stop observing all of them, the newest first."""
        while self._observed:
            self._observed.popitem()[1].undo()

    def _name_for(self, kind: str, thing: object, name: str | None) -> str | None:
        """Return the name under which to observe ``thing``; None if it is already observed."""
        if any(seen.thing is thing for seen in self._observed.values()):
            return None
        if name is None:
            return next(free for free in _names(kind) if free not in self._observed)
        if name in self._observed:
            self._forget(name)
        return name

    def _forget(self, name: str) -> None:
        self._observed.pop(name).undo()
        self._health.remove(name)

    def _is_first_of(self, kind: str) -> bool:
        return not any(seen.is_first for seen in self._observed.values() if seen.kind == kind)


def _names(kind: str) -> Iterator[str]:
    yield kind
    for number in count(2):
        yield f"{kind}-{number}"
