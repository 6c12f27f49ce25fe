"""``traced``: a span around any kind of function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar, cast

from opentelemetry import trace

from etter_obs._internal.wrapping import around, named, refuse_function

P = ParamSpec("P")
R = TypeVar("R")


def traced(name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Put a span around every call of a function, coroutine function, generator or async generator.

    The span lasts until the function returns, its coroutine completes or its generator ends. An
    exception marks the span as failed. In an unsampled request the decorator only checks the
    context. The function keeps its signature and type.

    Args:
        name: the span's name; default: the function's qualified name.

    Returns:
        The decorator.

    Raises:
        TypeError: the decorator is used without parentheses.
    """
    refuse_function("traced", name)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        generates = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        # A generator is suspended in other contexts, so its span must not become the current one.
        span = _unattached_span if generates else _span
        return around(partial(span, name or named(function).__qualname__))(function)

    return decorate


def _not_sampled() -> bool:
    current = trace.get_current_span()
    return not current.is_recording() and current.get_span_context().is_valid


@lru_cache(maxsize=1)
def _tracer(provider: trace.TracerProvider) -> trace.Tracer:
    return provider.get_tracer("etter_obs")


def _span(title: str) -> AbstractContextManager[Any]:
    if _not_sampled():
        return nullcontext()
    return _tracer(trace.get_tracer_provider()).start_as_current_span(title)


def _unattached_span(title: str) -> AbstractContextManager[Any]:
    if _not_sampled():
        return nullcontext()
    return cast(
        "AbstractContextManager[Any]", _tracer(trace.get_tracer_provider()).start_span(title)
    )
