"""Statements of one request: how many, and whether one of them was repeated (N+1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from etter_obs._internal.conventions import (
    DB_N_PLUS_ONE,
    DB_QUERIES_PER_REQUEST,
    UNMATCHED,
    LogField,
)

if TYPE_CHECKING:
    from etter_obs._internal.context import RequestContext
    from etter_obs._internal.metrics.registry import MetricsRegistry

MAX_STATEMENTS: Final = 500
"""Different statements remembered for one request; what repeats shows up among the first ones."""

_LOG: Final = logging.getLogger("etter_obs.database")


def note(context: RequestContext, statement: str) -> None:
    """Count one execution of ``statement`` (its text without values) for the request."""
    context.queries += 1
    seen = context.statements
    if seen is None:
        context.statements = {statement: 1}
    elif statement in seen:
        seen[statement] += 1
    elif len(seen) < MAX_STATEMENTS:
        seen[statement] = 1


class RequestQueries:
    """Looks at the statements of requests that are over.

    Args:
        registry: takes ``db_queries_per_request`` and ``db_n_plus_one_total``.
        threshold: executions of one statement in one request that make it an N+1.
    """

    def __init__(self, registry: MetricsRegistry, threshold: int) -> None:
        self._per_request = registry.histogram(DB_QUERIES_PER_REQUEST)
        self._n_plus_one = registry.counter(DB_N_PLUS_ONE)
        self._threshold = threshold

    def finish(self, context: RequestContext) -> None:
        """Count a request that ran statements; warn once where it repeated one.

        Call it while the request is still the current one, so that the warning has its ids.
        """
        endpoint = context.endpoint or UNMATCHED
        self._per_request.child(endpoint).observe(
            context.queries, context.trace_id if context.sampled else None
        )
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
                LogField.STATEMENT.value: statement,
                LogField.COUNT.value: count,
                LogField.ENDPOINT.value: endpoint,
            },
        )
