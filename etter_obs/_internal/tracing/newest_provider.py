"""A tracer provider for process-wide patches: it creates the spans of the newest app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import trace


class NewestProvider(trace.TracerProvider):
    """Forwards the calls of its tracers to the provider that is current at the time of the call.

    An instrumentation keeps the tracer that it received, so the tracer must outlive the app for
    which it was created.

    Args:
        current: returns the current provider, None without one.
    """

    def __init__(self, current: Callable[[], trace.TracerProvider | None]) -> None:
        self._current = current

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """Return a tracer that uses the current provider; the arguments are OpenTelemetry's."""
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
