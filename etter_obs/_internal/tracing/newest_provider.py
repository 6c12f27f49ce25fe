"""A tracer provider for patches of the whole process: its spans are the newest app's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import trace


class NewestProvider(trace.TracerProvider):
    """Hands its tracers' calls to the provider that counts at the time of the call.

    An instrumentation keeps the tracer that it was given; this one outlives the app for which it
    was made.

    Args:
        current: returns the provider that counts now, None where there is none.
    """

    def __init__(self, current: Callable[[], trace.TracerProvider | None]) -> None:
        self._current = current

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """Return a tracer that follows the provider; arguments as OpenTelemetry's."""
        return _NewestTracer(self._current, args, kwargs)


class _NewestTracer(trace.Tracer):
    def __init__(
        self,
        current: Callable[[], trace.TracerProvider | None],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._current = current
        self._args, self._kwargs = args, kwargs
        self._known: tuple[trace.TracerProvider | None, trace.Tracer] = (None, trace.NoOpTracer())

    def _now(self) -> trace.Tracer:
        provider = self._current()
        known, tracer = self._known
        if provider is not known:
            tracer = (provider or trace.NoOpTracerProvider()).get_tracer(
                *self._args, **self._kwargs
            )
            self._known = (provider, tracer)
        return tracer

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        return self._now().start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._now().start_as_current_span(*args, **kwargs)
