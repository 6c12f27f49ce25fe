"""What is known about the request being served, for every part that wants to name it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from etter_obs._internal.random_ids import random_ids

_new_ids: Final = random_ids(48)


class RequestContext:
    """State of one request. The middleware makes it; logs, traces, database and cache read it.

    ``trace_id`` and ``span_id`` are lower-case hexadecimal (32 and 16 digits), as W3C writes them;
    empty where nobody has decided on a trace.
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
        """Route template once known, or the name that ``track_request_metrics`` gave."""
        self.bound: dict[str, Any] | None = None
        """Fields of ``bind_request``, on all its further lines; replaced, never changed."""
        self.finished = False
        """The response is complete; what runs on (a background task, the server) is not counted."""
        self.queries = 0
        """Database statements so far."""
        self.statements: dict[str, int] | None = None
        """How often each statement ran, for N+1 detection; None until the first query."""

    @property
    def trace_id(self) -> str:
        """Trace of the request; where nothing is traced, made up when somebody asks."""
        if not self._trace_id:
            self._make_ids()
        return self._trace_id

    @property
    def span_id(self) -> str:
        """Server span of the request; where nothing is traced, made up when somebody asks."""
        if not self._span_id:
            self._make_ids()
        return self._span_id

    def follow(self, trace_id: str, span_id: str, sampled: bool) -> None:
        """Take over the ids of the span that somebody else has made for this request."""
        self._trace_id, self._span_id, self.sampled = trace_id, span_id, sampled

    def _make_ids(self) -> None:
        digits = _new_ids()
        self._trace_id, self._span_id = digits[:32], digits[32:]


current_request: Final[ContextVar[RequestContext | None]] = ContextVar(
    "etter_obs_request", default=None
)


def current_request_id() -> str | None:
    """Return the id of the request being served: of its log lines and its X-Request-ID header.

    None where no request is: before and after it, and in threads and tasks that did not begin with
    its context. Background tasks of the request have it.
    """
    request = current_request.get()
    return None if request is None else request.request_id
