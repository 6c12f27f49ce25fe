"""The app. One call near the end makes it observable.

uvicorn examples.etter_backend.main:app
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import select

from etter_obs import setup_observability
from examples.etter_backend import adjacency, companies, simulation, workflows
from examples.etter_backend.database import Company, engine, faults, new_session, prepare
from examples.etter_backend.faults import fault_router
from examples.etter_backend.redis_store import redis, redis_running


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Start what the routes need, without waiting for an unreachable database."""
    async with redis_running():
        prepared = asyncio.create_task(prepare())
        await asyncio.wait({prepared}, timeout=4)
        yield
        prepared.cancel()
        await redis.aclose()
        await engine.dispose()


app = FastAPI(title="Etter backend, in small", lifespan=lifespan)

for part in (companies, workflows, simulation, adjacency):
    app.include_router(part.router, prefix="/api/etter")
if faults.enabled:
    app.include_router(fault_router(faults), prefix="/api/etter")

observability = setup_observability(app, engine=engine, redis=redis)


async def search_has_companies() -> bool:
    """Check that the search has data, not only that the database answers."""
    async with new_session() as session:
        return await session.scalar(select(Company.id).limit(1)) is not None


observability.health.add("search", search_has_companies, critical=False, timeout=1.0)
