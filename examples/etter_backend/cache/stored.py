"""Cached functions that obey the switch of the cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from etter_obs import cached
from examples.etter_backend.controls.features import Feature, FeatureSwitch

P = ParamSpec("P")
T = TypeVar("T")

# Lifetimes in seconds; two more are settings.
USER_AUTOCOMPLETE: Final = 300
WORKFLOW: Final = 1_800
SIMULATION: Final = 7_200
TASK_AUTOCOMPLETE: Final = 600


def stored(
    function: Callable[P, Awaitable[T]],
    features: FeatureSwitch,
    *,
    name: str,
    ttl: int,
    key: Callable[..., object],
    tags: Sequence[str] = (),
) -> Callable[P, Awaitable[T]]:
    """Return ``function`` with cached results while the cache is on, by ``etter_obs.cached``.

    Args:
        function: a coroutine function.
        features: the switch.
        name: the cache's name, a label of its metrics.
        ttl: lifetime in seconds.
        key: a function of some parameters, by name, whose value identifies the result.
        tags: names for invalidation, with ``{parameter}`` in place of an argument.
    """
    kept: Callable[P, Awaitable[T]] = cached(name=name, ttl=ttl, key=key, tags=tags)(function)

    @wraps(function)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> Any:
        chosen = kept if features.is_on(Feature.CACHE) else function
        return await chosen(*args, **kwargs)

    return answer
