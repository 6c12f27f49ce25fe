"""``traced``: a span around a function of any kind."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

from opentelemetry import trace

P = ParamSpec("P")
R = TypeVar("R")


def traced(name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Put a span around every call of a function, coroutine function, generator or async generator.

    The span lasts until the function returns, its coroutine is awaited or its generator ends; an
    exception marks it. In a request that is not sampled it costs a look at the context. Signature
    and type stay as they are.

    Args:
        name: of the span; the function's qualified name where not given.

    Raises:
        TypeError: it is used without parentheses, as ``@traced`` instead of ``@traced()``.
    """
    if callable(name):
        raise TypeError("write @traced(), or @traced('a name'): the parentheses are needed")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        title = name or function.__qualname__
        return cast("Callable[P, R]", wraps(function)(_wrapper(function, title)))

    return decorate


def _wrapper(function: Callable[..., Any], title: str) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):

        async def traced_async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            # It is suspended in foreign contexts, so its span must not become the current one.
            with _unattached_span(title):
                async for item in function(*args, **kwargs):
                    yield item

        return traced_async_generator
    if inspect.isgeneratorfunction(function):

        def traced_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with _unattached_span(title):
                return (yield from function(*args, **kwargs))

        return traced_generator
    if inspect.iscoroutinefunction(function):

        async def traced_coroutine(*args: Any, **kwargs: Any) -> Any:
            with _span(title):
                return await function(*args, **kwargs)

        return traced_coroutine

    def traced_call(*args: Any, **kwargs: Any) -> Any:
        with _span(title):
            return function(*args, **kwargs)

    return traced_call


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
