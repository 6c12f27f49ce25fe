"""The last requests with the calls they made, their exceptions, and the last log lines."""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from traceback import TracebackException
from typing import Final, NamedTuple

import orjson

from etter_obs._internal.console.ring import Ring
from etter_obs._internal.context import RequestContext, current_request
from etter_obs._internal.logs.record import exception_of
from etter_obs._internal.operations import Operation
from etter_obs._internal.requests.exchange import Exchange
from etter_obs._internal.requests.recorder import Recorder

_MIB: Final = 1 << 20
_MAX_CALLS: Final = 200
"""Calls kept of one request; further ones are counted."""
_MAX_OPEN: Final = 4_096
"""Requests whose calls are gathered at the same time."""
_MAX_EXCEPTIONS: Final = 200
_MAX_EXCEPTION: Final = 16_384
"""Characters of the texts of one exception."""
_EXCEPTIONS_A_SECOND: Final = 20
"""Tracebacks kept a second: an outage raises the same exception thousands of times."""
_MAX_NAME: Final = 1_000
_MAX_PATH: Final = 2_048
_SERVER_ERROR: Final = 500
_QUIET: Final = (b'"level":"INFO"', b'"level":"DEBUG"')
_HEAD: Final = 64
"""Bytes of a line that contain its level."""

_LOG: Final = logging.getLogger("etter_obs.console")


class CaughtException(NamedTuple):
    """An exception that left the app, or that a handler turned into a server error."""

    at: float
    request_id: str
    type: str
    traceback: TracebackException | str | None


class _Calls:
    """The calls of one request so far."""

    __slots__ = ("dropped", "kept")

    def __init__(self) -> None:
        self.kept: list[Operation] = []
        self.dropped = 0


class Recording:
    """Remembers the newest requests, exceptions and lines of this process.

    What failed, was slow or repeated a statement is remembered apart, so that the many good
    requests do not displace it.

    Args:
        n_plus_one: Runs of one statement in one request that count as N+1.
        slow: Seconds above which a request is slow.
    """

    def __init__(self, n_plus_one: int, slow: float) -> None:
        self._n_plus_one = n_plus_one
        self._slow = slow
        self._numbers = itertools.count(1)
        self._open: dict[RequestContext, _Calls] = {}
        self.requests = Ring(1_000, 4 * _MIB)
        self.notable = Ring(500, 4 * _MIB)
        self.lines = Ring(2_000, 4 * _MIB)
        self.loud_lines = Ring(1_000, 4 * _MIB)
        """Warnings and errors."""
        self.exceptions: deque[CaughtException] = deque(maxlen=_MAX_EXCEPTIONS)
        self._second = 0
        self._tracebacks = 0

    def operation(self, operation: Operation) -> None:
        """Accept a call that code of a request made."""
        request = current_request.get()
        if request is None or request.finished or not isinstance(request, Exchange):
            return
        calls = self._open.get(request)
        if calls is None:
            if len(self._open) >= _MAX_OPEN:
                self._forget_finished()
            calls = self._open.setdefault(request, _Calls())
        if len(calls.kept) < _MAX_CALLS:
            calls.kept.append(operation)
        else:
            calls.dropped += 1

    def _forget_finished(self) -> None:
        """Forget the requests that nothing reports as finished, such as probes."""
        for request in list(self._open):
            if request.finished or len(self._open) >= _MAX_OPEN:
                self._open.pop(request, None)

    def finished(self, exchange: Exchange, client: str | None) -> None:
        """Accept a finished request."""
        calls = self._open.pop(exchange, None)
        now = time.time()
        start, duration = exchange.start, exchange.duration
        repeated = None
        if exchange.statements and exchange.queries >= self._n_plus_one:
            statement, runs = max(exchange.statements.items(), key=lambda item: item[1])
            if runs >= self._n_plus_one:
                repeated = (statement[:_MAX_NAME], runs)
        error = exchange.error
        data = orjson.dumps(
            {
                "id": exchange.request_id,
                "trace_id": exchange.trace_id if exchange.sampled else "",
                "method": exchange.method,
                "path": exchange.path[:_MAX_PATH],
                "endpoint": exchange.endpoint,
                "status": exchange.status,
                "at": now - duration,
                "ms": duration * 1e3,
                "first_byte_ms": (exchange.first_byte or duration) * 1e3,
                "bytes_in": exchange.bytes_in,
                "bytes_out": exchange.bytes_out,
                "client": client,
                "queries": exchange.queries,
                "error": None if error is None else type(error).__name__,
                "repeated": repeated,
                "dropped_calls": 0 if calls is None else calls.dropped,
                "calls": []
                if calls is None
                else [
                    (
                        call.kind,
                        call.name[:_MAX_NAME],
                        (call.start - start) * 1e3,
                        (call.end - call.start) * 1e3,
                        call.outcome,
                        call.failed,
                    )
                    for call in calls.kept
                ],
            },
            default=str,
        )
        number = next(self._numbers)
        self.requests.add(now, number, data)
        if exchange.status >= _SERVER_ERROR or duration > self._slow or repeated:
            self.notable.add(now, number, data)

    def exception(self, error: BaseException, request: RequestContext) -> None:
        """Accept an exception that left the app."""
        now = time.time()
        if int(now) != self._second:
            self._second, self._tracebacks = int(now), 0
        self._tracebacks += 1
        traceback = None
        if self._tracebacks <= _EXCEPTIONS_A_SECOND:
            traceback = exception_of(error, _MAX_EXCEPTION)
        self.exceptions.append(
            CaughtException(now, request.request_id, type(error).__name__, traceback)
        )

    def line(self, data: bytes) -> None:
        """Accept a log line as it is written, already redacted."""
        now, number = time.time(), next(self._numbers)
        self.lines.add(now, number, data)
        if not any(level in data[:_HEAD] for level in _QUIET):
            self.loud_lines.add(now, number, data)


@dataclass(slots=True, kw_only=True)
class WatchedRecorder(Recorder):
    """A recorder that also passes each finished request, with its client's address, on.

    Args:
        finished: Accepts them.
    """

    finished: Callable[[Exchange, str | None], None]

    def add(self, exchange: Exchange) -> None:
        """Record a finished request and pass it on."""
        Recorder.add(self, exchange)
        try:
            self.finished(exchange, self.client(exchange.scope))
        except Exception:  # noqa: BLE001  # it must not affect the response
            _LOG.warning("The console cannot show a request", exc_info=True)
