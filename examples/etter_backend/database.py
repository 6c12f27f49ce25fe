"""The tables, the engine, the seed."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import ForeignKey, String, UniqueConstraint, event, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.util import await_only

from etter_obs import get_logger
from examples.etter_backend.config import Config, config
from examples.etter_backend.faults import FaultSwitch, Target

logger = get_logger(__name__)

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
_CONNECT_ARGS: dict[str, dict[str, object]] = {
    "aiosqlite": {"timeout": 5},
    "asyncpg": {"timeout": 3},
    "psycopg": {"connect_timeout": 3},
}


class Base(DeclarativeBase):
    """Base class of the tables."""


class Company(Base):
    """A company that has workflows."""

    __tablename__ = "master_companies"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), index=True)
    industry: Mapped[str] = mapped_column(String(40))


class Workflow(Base):
    """A workflow of a company; its title is unique there."""

    __tablename__ = "workflows"
    __table_args__ = (UniqueConstraint("company_id", "title"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey(Company.id), index=True)
    title: Mapped[str] = mapped_column(String(120))
    status: Mapped[str] = mapped_column(String(16), default="draft")
    company: Mapped[Company] = relationship(lazy="raise")


def make_engine(config: Config, faults: FaultSwitch) -> AsyncEngine:
    """Return the engine for the configured database: SQLite or PostgreSQL."""
    url = make_url(config.database_url)
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    engine = create_async_engine(
        url,
        pool_size=config.pool_size,
        max_overflow=config.max_overflow,
        pool_recycle=config.pool_recycle,
        pool_timeout=5,
        pool_pre_ping=url.get_backend_name() != "sqlite",
        connect_args=_CONNECT_ARGS.get(url.get_driver_name(), {}),
    )
    if url.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _share_between_workers)
    if faults.enabled:
        _make_breakable(engine, faults)
    return engine


def _share_between_workers(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _make_breakable(engine: AsyncEngine, faults: FaultSwitch) -> None:
    @event.listens_for(engine.sync_engine, "checkout")
    def refuse(*_: object) -> None:
        fault = faults.current().get(Target.DATABASE)
        if fault is not None and fault.strikes():
            raise engine.dialect.loaded_dbapi.OperationalError("broken on purpose")

    @event.listens_for(engine.sync_engine, "do_execute")
    def delay(*_: object) -> None:
        fault = faults.current().get(Target.DATABASE)
        if fault is not None:
            await_only(asyncio.sleep(fault.latency_seconds))


faults = FaultSwitch(config.run_dir / "faults.json", enabled=config.faults)
engine = make_engine(config, faults)
new_session = async_sessionmaker(engine, expire_on_commit=False)


async def session() -> AsyncIterator[AsyncSession]:
    """Yield the session of a request."""
    async with new_session() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


async def prepare() -> None:
    """Create and fill the tables, once; retry until the database is reachable."""
    while True:
        try:
            with (config.run_dir / "seed.lock").open("w") as lock:
                await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)  # one worker at a time
                async with engine.begin() as connection:
                    await connection.run_sync(Base.metadata.create_all)
                async with new_session() as opened:
                    if await opened.scalar(select(Company.id).limit(1)) is None:
                        opened.add_all(_seed())
                        await opened.commit()
                return
        except (OSError, SQLAlchemyError) as error:
            logger.warning("the database does not exist yet", error=type(error).__name__)
        await asyncio.sleep(5)


def _seed() -> list[Base]:
    first = ("Acme", "Accord", "Borealis", "Cobalt", "Delta", "Ember", "Fjord", "Granite")
    second = ("Analytics", "Bank", "Care", "Dynamics", "Energy", "Foods", "Logistics", "Retail")
    names = [f"{one} {two}" for one, two in itertools.product(first, second)]
    companies: list[Base] = [
        Company(id=number, name=name, industry=name.split()[1])
        for number, name in enumerate(names, start=1)
    ]
    workflows: list[Base] = [
        Workflow(company_id=number, title=title, status="active")
        for number in range(1, len(names) + 1)
        for title in ("Hiring", "Onboarding", "Payroll", "Succession")
    ]
    return companies + workflows
