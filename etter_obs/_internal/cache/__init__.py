"""Measure Redis clients (commands, server, health) and provide ``cached``.

Each name is imported on first use, so that ``cached`` functions do not require redis-py.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from etter_obs._internal.cache.check import redis_check
    from etter_obs._internal.cache.commands import instrument_redis
    from etter_obs._internal.cache.decorator import ainvalidate, bind, cached, invalidate
    from etter_obs._internal.cache.store import Cache

__all__ = [
    "Cache",
    "ainvalidate",
    "bind",
    "cached",
    "instrument_redis",
    "invalidate",
    "redis_check",
]

_HOMES: Final = {
    "Cache": "store",
    "ainvalidate": "decorator",
    "bind": "decorator",
    "cached": "decorator",
    "instrument_redis": "commands",
    "invalidate": "decorator",
    "redis_check": "check",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
