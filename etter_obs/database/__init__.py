"""SQLAlchemy engines: statements, pool, N+1, health."""

from etter_obs.database.check import database_check
from etter_obs.database.engine import instrument_engine
from etter_obs.database.requests import RequestQueries

__all__ = ["RequestQueries", "database_check", "instrument_engine"]
