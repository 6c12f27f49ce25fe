"""SQLModel with sync sessions, several gunicorn workers, and a counter of its own."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from prometheus_client import Counter
from sqlmodel import Field, Session, SQLModel, create_engine, select

from etter_obs import get_logger, setup_observability

log = get_logger(__name__).bind(component="shop")
HEROES_MADE = Counter("heroes_made", "Heroes that were made.")


class Hero(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True)


engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///heroes.db"))
SQLModel.metadata.create_all(engine)


def get_session():
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]
app = FastAPI()


@app.post("/heroes/")
def create_hero(hero: Hero, session: SessionDep) -> Hero:
    session.add(hero)
    session.commit()
    session.refresh(hero)
    HEROES_MADE.inc()
    log.info("hero made", name=hero.name)
    return hero


@app.get("/heroes/{hero_id}")
def read_hero(hero_id: int, session: SessionDep) -> Hero:
    hero = session.get(Hero, hero_id)
    if not hero:
        raise HTTPException(status_code=404, detail="Hero not found")
    return hero


@app.get("/names")
def names(session: SessionDep) -> list[str]:
    ids = session.exec(select(Hero.id)).all()
    return [session.exec(select(Hero).where(Hero.id == one)).one().name for one in ids]


setup_observability(app, engine=engine)
