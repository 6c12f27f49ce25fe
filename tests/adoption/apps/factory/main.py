"""An app factory; the engine lives from the lifespan's start to its end."""

import logging
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from pydantic_settings import BaseSettings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from etter_obs import setup_observability

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api/v1")


class Config(BaseSettings):
    database_url: str = "sqlite+aiosqlite:///shop.db"


@asynccontextmanager
async def lifespan(app: FastAPI):
    config = Config()
    engine = create_async_engine(config.database_url)
    app.state.sessions = async_sessionmaker(engine)
    setup_observability(app, engine=engine)
    async with engine.begin() as connection:
        await connection.execute(text("create table if not exists orders (id integer primary key)"))
    log.info("connected to %s with password=%s", config.database_url, "hunter2-secret")
    yield
    log.info("good-bye")
    await engine.dispose()


async def session(request: Request):
    async with request.app.state.sessions() as made:
        yield made


@router.get("/orders/{order}")
async def read_order(order: int, db: AsyncSession = Depends(session)):
    log.info("reading order", extra={"order": order})
    found = (await db.execute(text("select id from orders where id = :id"), {"id": order})).first()
    if found is None:
        raise HTTPException(404)
    return {"id": found.id}


@router.post("/orders/{order}", status_code=201)
async def create_order(order: int, db: AsyncSession = Depends(session)):
    await db.execute(text("insert into orders values (:id)"), {"id": order})
    await db.commit()
    return {"id": order}


def create_app() -> FastAPI:
    app = FastAPI(title="shop", lifespan=lifespan)
    app.include_router(router)
    setup_observability(app)
    return app
