"""Measures every statement of an engine: duration by kind, failures, rows and request."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

from etter_obs._internal.context import current_request
from etter_obs._internal.conventions import DB_QUERY_DURATION, DB_QUERY_ERRORS, DB_ROWS
from etter_obs._internal.database.activity import watch_connections
from etter_obs._internal.database.pool import PoolMetrics, as_sync
from etter_obs._internal.database.requests import note
from etter_obs._internal.database.spans import trace_engine
from etter_obs._internal.newest_app import NewestOn
from etter_obs._internal.operations import Operation, OperationKind, Watch
from etter_obs._internal.redaction.sql import KINDS, Statements

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncEngine

    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.tracing import Tracing

_STARTED: Final = "_etter_obs_started"
_engines: Final = NewestOn()


def instrument_engine(
    engine: Engine | AsyncEngine,
    registry: MetricsRegistry,
    tracing: Tracing,
    *,
    pool: str = "default",
    watch_server: bool = True,
    watch: Watch | None = None,
) -> Callable[[], None]:
    """Measure the statements of an engine, and trace them in sampled requests.

    If several apps observe an engine, it is measured for the newest app.

    Args:
        engine: a sync or async engine of SQLAlchemy 2.
        registry: accepts the ``db_*`` metrics.
        tracing: provides the spans' provider.
        pool: value of the label ``pool``, which distinguishes engines.
        watch_server: whether to query the server for its active connections; the metric has no
            label, so only one engine can set it.
        watch: accepts every statement; None if nothing shows them.

    Returns:
        The undo, which restores the engine; a second call does nothing.
    """
    sync_engine: Engine = as_sync(engine)

    def patch() -> Callable[[], None]:
        with ExitStack() as undo:
            undo.callback(_measure(sync_engine, registry))
            if watch is not None:
                undo.callback(_watch_statements(sync_engine, watch))
            undo.callback(PoolMetrics(sync_engine, registry, pool).close)
            if watch_server:
                undo.callback(watch_connections(sync_engine, registry))
            if tracing.enabled:
                undo.callback(trace_engine(sync_engine, tracing.provider))
            return undo.pop_all().close

    return _engines.put(sync_engine, patch)


def _measure(engine: Engine, registry: MetricsRegistry) -> Callable[[], None]:
    durations = registry.histogram(DB_QUERY_DURATION)
    errors = registry.counter(DB_QUERY_ERRORS)
    rows = registry.counter(DB_ROWS)
    # The kinds are a closed set, so every series exists from the start and loses no first event.
    duration_of = {kind: durations.child(kind) for kind in KINDS}
    errors_of = {kind: errors.child(kind) for kind in KINDS}
    rows_of = {kind: rows.child(kind) for kind in KINDS}
    statements = Statements()
    clock = time.perf_counter

    def before(
        conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        setattr(context, _STARTED, clock())

    def after(
        conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        elapsed = clock() - getattr(context, _STARTED, clock())
        kind, shown = statements(statement)
        request = current_request.get()
        if request is None:
            duration_of[kind].observe(elapsed)
        else:
            note(request, shown, elapsed)
            duration_of[kind].observe(elapsed, request.trace_id if request.sampled else None)
        changed = cursor.rowcount
        # Drivers return -1 if the number of rows is unknown before the fetch.
        if changed is not None and changed > 0:
            rows_of[kind].inc(changed)

    def failed(exception: ExceptionContext) -> None:
        # Without a running statement the connection failed, which the pool counts.
        started = getattr(exception.execution_context, _STARTED, None)
        if started is None or exception.statement is None:
            return
        kind, shown = statements(exception.statement)
        elapsed = clock() - started
        errors_of[kind].inc()
        duration_of[kind].observe(elapsed)
        request = current_request.get()
        if request is not None:
            note(request, shown, elapsed)

    return _listen(
        engine,
        ("before_cursor_execute", before),
        ("after_cursor_execute", after),
        ("handle_error", failed),
    )


def _watch_statements(engine: Engine, watch: Watch) -> Callable[[], None]:
    """Pass every statement that ``_measure`` times to ``watch``; return the undo."""
    statements = Statements()
    clock = time.perf_counter

    def after(
        conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        end = clock()
        start = getattr(context, _STARTED, end)
        watch(Operation(OperationKind.SQL, statements(statement).shown, start, end))

    def failed(exception: ExceptionContext) -> None:
        start = getattr(exception.execution_context, _STARTED, None)
        if start is not None and exception.statement is not None:
            shown = statements(exception.statement).shown
            outcome = type(exception.original_exception).__name__
            watch(Operation(OperationKind.SQL, shown, start, clock(), outcome, failed=True))

    return _listen(engine, ("after_cursor_execute", after), ("handle_error", failed))


def _listen(engine: Engine, *listeners: tuple[str, Callable[..., Any]]) -> Callable[[], None]:
    for name, listener in listeners:
        event.listen(engine, name, listener)

    def undo() -> None:
        for name, listener in listeners:
            event.remove(engine, name, listener)

    return undo
