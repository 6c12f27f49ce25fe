"""The state of the request being served, for every part that reports it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from etter_obs._internal.random_ids import random_ids

_new_ids: Final = random_ids(48)


class RequestContext:
    """State of one request. The middleware creates it; logs, traces, database and cache read it.

    Args:
        request_id: The id in its log lines and its X-Request-ID header.
        trace_id: 32 lower-case hexadecimal digits, as in W3C Trace Context; empty until the trace
            is known.
        span_id: 16 lower-case hexadecimal digits; empty until the trace is known.
        sampled: Whether the trace is sampled.
        method: The HTTP method.
        path: The path of the URL.
    """

    __slots__ = (
        "_span_id",
        "_trace_id",
        "bound",
        "endpoint",
        "finished",
        "method",
        "path",
        "queries",
        "query_seconds",
        "request_id",
        "sampled",
        "statements",
    )

    def __init__(
        self, request_id: str, trace_id: str, span_id: str, sampled: bool, method: str, path: str
    ) -> None:
        self.request_id = request_id
        self._trace_id = trace_id
        self._span_id = span_id
        self.sampled = sampled
        self.method = method
        self.path = path
        self.endpoint: str | None = None
        """Route template once it is known, or the name from ``track_request_metrics``."""
        self.bound: dict[str, Any] | None = None
        """Fields of ``bind_request`` for all later lines; replaced, never mutated."""
        self.finished = False
        """Whether the response is complete; later work (background tasks) is not counted."""
        self.queries = 0
        """Number of database statements so far."""
        self.query_seconds = 0.0
        """Their duration in seconds, added up."""
        self.statements: dict[str, int] | None = None
        """Runs of each statement, for N+1 detection; None until the first query."""

    @property
    def trace_id(self) -> str:
        """Trace of the request; without tracing, it is generated on first use."""
        if not self._trace_id:
            self._make_ids()
        return self._trace_id

    @property
    def span_id(self) -> str:
        """Server span of the request; without tracing, it is generated on first use."""
        if not self._span_id:
            self._make_ids()
        return self._span_id

    def follow(self, trace_id: str, span_id: str, sampled: bool) -> None:
        """Adopt the ids of a span that other code created for this request.

        Args:
            trace_id: 32 lower-case hexadecimal digits.
            span_id: 16 lower-case hexadecimal digits.
            sampled: Whether the trace is sampled.
        """
        self._trace_id, self._span_id, self.sampled = trace_id, span_id, sampled

    def _make_ids(self) -> None:
        digits = _new_ids()
        self._trace_id, self._span_id = digits[:32], digits[32:]


current_request: Final[ContextVar[RequestContext | None]] = ContextVar(
    "etter_obs_request", default=None
)


def current_request_id() -> str | None:
    """Return the id of the request being served, as in its log lines and its X-Request-ID header.

    Returns None outside a request: before and after it, and in threads and tasks that did not start
    with its context. Background tasks of the request have the id.
    """
    request = current_request.get()
    return None if request is None else request.request_id
