"""What the tests of ``cached`` share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from pydantic_core import TzInfo

from etter_obs._internal.cache import Cache
from etter_obs._internal.conventions import CACHE_HITS, CACHE_MISSES, CACHE_NOT_KEPT, NotKept
from etter_obs._internal.metrics.registry import MetricsRegistry


class Gate:
    """Lets a function of a test wait: what it has reached, and when it may go on."""

    def __init__(self) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        self.open_to_threads = threading.Event()
        self.waiting: list[asyncio.Task[Any] | None] = []
        """The tasks that came to it."""
        self.error: Exception | None = None
        """What the function raises when it goes on."""

    async def wait(self) -> None:
        """Wait for the gate to open."""
        self.waiting.append(asyncio.current_task())
        self.reached.set()
        await self.open.wait()
        if self.error is not None:
            raise self.error


GATES: Final[list[Gate]] = []
"""One, of the test that runs: an event belongs to a loop."""
RAN: Final[list[object]] = []
"""What the functions of a test were called with: a cached function closes over no list."""


def cache_of(client: Any, registry: MetricsRegistry, **more: Any) -> Cache:
    """Return the cache of the tests' service."""
    return Cache(client, registry, **{"service": "shop", "environment": "test", **more})


def counts(registry: MetricsRegistry, name: str) -> tuple[float, float]:
    """Return hits and misses of a cache."""
    hits, misses = (registry.counter(m).child(name).value for m in (CACHE_HITS, CACHE_MISSES))
    return hits, misses


def not_kept(registry: MetricsRegistry, name: str, reason: NotKept) -> float:
    """Return how many results of a cache were not kept for a reason."""
    return registry.counter(CACHE_NOT_KEPT).child(name, reason).value


def said(value: object) -> str:
    """Write everything that a function can observe of a value; equal texts mean equal values.

    An oracle beside the digest: text in place of bytes, ``vars`` in place of fields.
    """
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, TzInfo):  # as pydantic reads it
        return f"datetime.timezone:{timezone(value.utcoffset(None) or timedelta())!r}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        fold = value.fold if isinstance(value.tzinfo, ZoneInfo) else 0
        return f"{value.replace(tzinfo=None, fold=fold)!r} {said(value.tzinfo)}"
    if isinstance(value, dict):
        return f"{kind}{{{', '.join(f'{said(k)}: {said(v)}' for k, v in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{kind}{{{', '.join(sorted(map(said, value)))}}}"
    if isinstance(value, list | tuple):
        return f"{kind}[{', '.join(map(said, value))}]"
    if isinstance(value, BaseModel):
        extra = [value.model_fields_set, value.__pydantic_extra__, value.__pydantic_private__]
        return f"{kind}({said(vars(value))}, {said(extra)})"
    if is_dataclass(value) and not isinstance(value, type):
        return f"{kind}({', '.join(said(getattr(value, f.name)) for f in fields(value))})"
    if hasattr(value, "__dict__") and not isinstance(value, type | Callable):
        return f"{kind}({said(vars(value))})"
    return f"{kind}:{value!r}"
