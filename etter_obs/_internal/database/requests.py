"""The statements of one request: their number, their time, and repeated ones (N+1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from etter_obs._internal.conventions import (
    DB_N_PLUS_ONE,
    DB_QUERIES_PER_REQUEST,
    DB_TIME_PER_REQUEST,
    UNMATCHED,
    log_fields,
)

if TYPE_CHECKING:
    from etter_obs._internal.context import RequestContext
    from etter_obs._internal.metrics.registry import MetricsRegistry

MAX_STATEMENTS: Final = 500
"""Limit of different statements that are remembered per request; repeats appear early."""

_LOG: Final = logging.getLogger("etter_obs.database")


def note(context: RequestContext, statement: str, seconds: float) -> None:
    """Count one execution of a statement for the request.

    Args:
        context: the request.
        statement: the statement's text without values.
        seconds: its duration.
    """
    context.queries += 1
    context.query_seconds += seconds
    seen = context.statements
    if seen is None:
        context.statements = {statement: 1}
    elif statement in seen:
        seen[statement] += 1
    elif len(seen) < MAX_STATEMENTS:
        seen[statement] = 1


class RequestQueries:
    """Evaluates the statements of finished requests.

    Args:
        registry: accepts the metrics whose label is the request's route.
        threshold: number of executions of one statement in one request that count as N+1.
    """

    def __init__(self, registry: MetricsRegistry, threshold: int) -> None:
        self._queries = registry.histogram(DB_QUERIES_PER_REQUEST)
        self._time = registry.histogram(DB_TIME_PER_REQUEST)
        self._n_plus_one = registry.counter(DB_N_PLUS_ONE)
        self._threshold = threshold

    def finish(self, context: RequestContext) -> None:
        """Count the statements of a request; log one warning if it repeated a statement.

        Call this while the request is still current, so that the warning has its ids.
        """
        endpoint = context.endpoint or UNMATCHED
        exemplar = context.trace_id if context.sampled else None
        self._queries.child(endpoint).observe(context.queries, exemplar)
        self._time.child(endpoint).observe(context.query_seconds, exemplar)
        if context.queries < self._threshold or not context.statements:
            return
        statement, count = max(context.statements.items(), key=lambda item: item[1])
        if count < self._threshold:
            return
        self._n_plus_one.child(endpoint).inc()
        _LOG.warning(
            "N+1: one statement ran %d times in one request; load the rows with one query",
            count,
            extra={
                log_fields.STATEMENT: statement,
                log_fields.COUNT: count,
                log_fields.ENDPOINT: endpoint,
            },
        )
