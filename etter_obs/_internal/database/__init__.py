"""SQLAlchemy engines: statements, pool, N+1, health.

Names are imported at their first use, because ``requests`` must work without SQLAlchemy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from etter_obs._internal.database.check import database_check
    from etter_obs._internal.database.engine import instrument_engine
    from etter_obs._internal.database.requests import RequestQueries

__all__ = ["RequestQueries", "database_check", "instrument_engine"]

_HOMES: Final = {
    "RequestQueries": "requests",
    "database_check": "check",
    "instrument_engine": "engine",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
