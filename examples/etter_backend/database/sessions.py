"""Units of work: functions of a session, run by either engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    async_sessionmaker,
)
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from examples.etter_backend.controls.features import Feature, FeatureSwitch

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """Runs units of work, which are written for a sync session.

    With the async database, statements wait in the event loop: SQLAlchemy runs the function in a
    greenlet. Otherwise the whole unit runs in a thread.

    Args:
        asynchronous: the async engine, or a connection whose transaction the sessions join.
        synchronous: the same for the sync engine.
        features: decides which one is used.
    """

    def __init__(
        self,
        asynchronous: AsyncEngine | AsyncConnection,
        synchronous: Engine | Connection,
        features: FeatureSwitch,
    ) -> None:
        self._features = features
        options: dict[str, Any] = {
            "expire_on_commit": False,
            "autoflush": False,
            "join_transaction_mode": "create_savepoint",
        }
        self._async = async_sessionmaker(asynchronous, **options)
        self._sync = sessionmaker(synchronous, **options)

    async def read(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the result of ``work``; changes are rolled back."""
        return await self._run(work, False, *args, **kwargs)

    async def write(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return the result of ``work`` after the commit; an exception rolls back."""
        return await self._run(work, True, *args, **kwargs)

    async def _run(
        self,
        work: Callable[Concatenate[Session, P], T],
        commits: bool,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        def unit(session: Session) -> T:
            result = work(session, *args, **kwargs)
            if commits:
                session.commit()
            return result

        def in_thread() -> T:
            with self._sync() as session:
                return unit(session)

        if not self._features.is_on(Feature.ASYNC_DATABASE):
            return await run_in_threadpool(in_thread)
        async with self._async() as session:
            result: T = await session.run_sync(unit)
            return result
