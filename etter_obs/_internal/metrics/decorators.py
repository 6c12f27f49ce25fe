"""Decorators that measure functions of every kind: plain, async, generators and methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Final, ParamSpec, TypeVar

from etter_obs._internal import conventions as names
from etter_obs._internal.context import current_request
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.metrics.requests import RequestMetrics
from etter_obs._internal.newest_app import Newest
from etter_obs._internal.wrapping import around, named, refuse_function

P = ParamSpec("P")
R = TypeVar("R")


class _Bound:
    """The registry of the observed app, and what the decorators store with it."""

    def __init__(self, registry: MetricsRegistry, requests: RequestMetrics) -> None:
        self.requests = requests
        self.calls = registry.counter(names.FUNCTION_CALLS)
        self.durations = registry.histogram(names.FUNCTION_DURATION)
        self.exceptions = registry.counter(names.FUNCTION_EXCEPTIONS)


_bound: Final[Newest[_Bound]] = Newest()


def bind(registry: MetricsRegistry, requests: RequestMetrics) -> Callable[[], None]:
    """Make decorated functions count in ``registry`` and return the undo."""
    return _bound.put(_Bound(registry, requests))


def track_request_metrics(endpoint: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Name the endpoint of the requests that a function serves.

    Inside a request that the middleware observes, the decorator only names the endpoint, so that
    nothing is counted twice. Elsewhere, such as in a job or a consumer, each call counts as a
    request: method ``POST``, status 200, or 500 if the function raises.

    Raises:
        TypeError: The decorator is used without parentheses.
    """
    refuse_function("track_request_metrics", endpoint)

    @contextmanager
    def measure() -> Iterator[None]:
        request = current_request.get()
        if request is not None and not request.finished:
            request.endpoint = endpoint
            yield
            return
        bound = _bound.current
        if bound is None:
            yield
            return
        with bound.requests.calling(endpoint):
            yield

    return around(measure)


def timed(name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Observe the seconds that each call takes, until the await or the generator ends.

    ``name`` is the label ``function``. It defaults to the qualified name with its module; for a
    ``functools.partial`` that of its target, for a callable object that of its class.

    Raises:
        TypeError: The decorator is used without parentheses.
    """
    refuse_function("timed", name)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        label = name or _label(function)

        @contextmanager
        def measure() -> Iterator[None]:
            start = perf_counter()
            try:
                yield
            finally:
                if (bound := _bound.current) is not None:
                    bound.durations.child(label).observe(perf_counter() - start, _exemplar())

        return around(measure)(function)

    return decorate


def counted(name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Count each call; ``name`` and errors are those of ``timed``."""
    refuse_function("counted", name)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        label = name or _label(function)

        @contextmanager
        def measure() -> Iterator[None]:
            if (bound := _bound.current) is not None:
                bound.calls.child(label).inc()
            yield

        return around(measure)(function)

    return decorate


def count_exceptions(name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Count the exceptions of a function by type; ``name`` and errors are those of ``timed``."""
    refuse_function("count_exceptions", name)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        label = name or _label(function)

        @contextmanager
        def measure() -> Iterator[None]:
            try:
                yield
            except Exception as error:
                if (bound := _bound.current) is not None:
                    bound.exceptions.child(label, type(error).__name__).inc()
                raise

        return around(measure)(function)

    return decorate


def _label(function: Callable[..., Any]) -> str:
    owner = named(function)
    return f"{owner.__module__}.{owner.__qualname__}"


def _exemplar() -> str | None:
    request = current_request.get()
    return request.trace_id if request is not None and request.sampled else None
