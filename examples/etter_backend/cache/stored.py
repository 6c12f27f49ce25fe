"""Results that are kept, behind the switch of the cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from etter_obs import cached
from examples.etter_backend.controls.features import Feature, FeatureSwitch

P = ParamSpec("P")
T = TypeVar("T")

# The guide's lifetimes (section 3.3), in seconds; two more are settings.
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
    """Return ``function`` with its results kept while the cache is on.

    etter-obs's ``cached`` does the work: a key of the arguments that ``key`` names and no others,
    results that are stored only if JSON keeps them whole, invalidation by tag.

    Args:
        function: a coroutine function.
        features: says whether the cache is on.
        name: the cache's name, a label of its metrics.
        ttl: lifetime in seconds.
        key: of some of the function's parameters, by name: what tells one result from another.
        tags: what makes the result stale, with ``{parameter}`` in place of an argument.
    """
    kept: Callable[P, Awaitable[T]] = cached(name=name, ttl=ttl, key=key, tags=tags)(function)

    @wraps(function)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> Any:
        chosen = kept if features.is_on(Feature.CACHE) else function
        return await chosen(*args, **kwargs)

    return answer
