"""Observability for FastAPI services: one call, one spec, one stack.

Import the public names from here: ``from etter_obs import setup_observability, get_logger``. Each
name is loaded on first use, so that ``import etter_obs`` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from etter_obs._internal.cache.decorator import ainvalidate, cached, invalidate
    from etter_obs._internal.context import current_request_id
    from etter_obs._internal.logs import get_logger
    from etter_obs._internal.logs.request_fields import bind_request
    from etter_obs._internal.metrics.decorators import (
        count_exceptions,
        counted,
        timed,
        track_request_metrics,
    )
    from etter_obs._internal.observability import Observability
    from etter_obs._internal.settings import Settings, SettingsError
    from etter_obs._internal.setup import setup_observability
    from etter_obs._internal.slo.loading.loader import SpecError
    from etter_obs._internal.tracing.decorator import traced

__all__ = [
    "Observability",
    "Settings",
    "SettingsError",
    "SpecError",
    "ainvalidate",
    "bind_request",
    "cached",
    "count_exceptions",
    "counted",
    "current_request_id",
    "get_logger",
    "invalidate",
    "setup_observability",
    "timed",
    "traced",
    "track_request_metrics",
]

_HOMES: Final = {
    "Observability": "observability",
    "Settings": "settings",
    "SettingsError": "settings",
    "SpecError": "slo.loading.loader",
    "ainvalidate": "cache",
    "bind_request": "logs.request_fields",
    "cached": "cache",
    "count_exceptions": "metrics.decorators",
    "counted": "metrics.decorators",
    "current_request_id": "context",
    "get_logger": "logs",
    "invalidate": "cache",
    "setup_observability": "setup",
    "timed": "metrics.decorators",
    "traced": "tracing.decorator",
    "track_request_metrics": "metrics.decorators",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}._internal.{home}"), name)
    globals()[name] = value
    return value
