"""Spans of statements in sampled requests, by the official instrumentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

from etter_obs._internal.optional_dependencies import ENGINE_SPANS
from etter_obs._internal.tracing.propagation import in_unsampled_request
from etter_obs._internal.tracing.semconv import stable_conventions

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from sqlalchemy import Engine

_STATEMENT_EVENTS: Final = frozenset(
    ("before_cursor_execute", "after_cursor_execute", "handle_error")
)


def trace_engine(engine: Engine, provider: TracerProvider) -> Callable[[], None]:
    """Create spans for the statements of ``engine``; return the undo.

    The function does nothing if the user has already instrumented SQLAlchemy, which would double
    the spans. If OpenTelemetry's instrumentation is unusable, it logs one warning and does nothing.
    """
    return ENGINE_SPANS.attempt(lambda: _official(engine, provider)) or (lambda: None)


def _official(engine: Engine, provider: TracerProvider) -> Callable[[], None]:
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
    from opentelemetry.metrics import NoOpMeter

    if SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry:
        return lambda: None
    listeners: list[tuple[Any, str, Any]] = []

    class SampledEngineTracer(EngineTracer):
        """The official tracer of an engine, without spans in unsampled requests.

        It records its own listeners, because the official undo removes those of every engine. It
        skips the listeners that count the pool's connections: the pool's own metrics replace them.
        """

        def _register_event_listener(  # type: ignore[override]  # called on an instance
            self, target: Any, identifier: str, func: Any, *args: Any, **kw: Any
        ) -> None:
            if identifier in _STATEMENT_EVENTS:
                event.listen(target, identifier, func, *args, **kw)
                listeners.append((target, identifier, func))

        def _before_cur_exec(self, conn: Any, cursor: Any, statement: Any, *rest: Any) -> Any:
            if in_unsampled_request():
                return statement, rest[0]
            return super()._before_cur_exec(  # type: ignore[no-untyped-call]
                conn, cursor, statement, *rest
            )

    usage = NoOpMeter("etter_obs").create_up_down_counter("unused")
    with stable_conventions():
        SampledEngineTracer(  # type: ignore[no-untyped-call]
            provider.get_tracer("etter_obs.database"), engine, usage
        )

    def undo() -> None:
        for listener in listeners:
            event.remove(*listener)
        listeners.clear()

    return undo
