"""One HTTP request and its response, observed between the server and the app."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any, Final, Protocol

from opentelemetry.trace import Span
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from etter_obs._internal.context import RequestContext
from etter_obs._internal.conventions import STATUS_CLIENT_CLOSED
from etter_obs._internal.requests.response_headers import ResponseHeaders
from etter_obs._internal.tracing.sampling import Decision

_CLIENT_CHECK_TIMEOUT: Final = 0.1
"""Seconds after which the exchange asks the server whether the client is still connected, and the
timeout of that question."""
_NATIVE_TIMEOUT: Final = 0.01
"""Timeout for the answer of a server that is not written in Python (granian)."""
_MAX_MESSAGES: Final = 2
"""Limit of messages that one check reads: the end of an unread body and the next message."""
_NOTHING: Final[Scope] = {}
_FRAMEWORKS: Final = ("starlette.", "fastapi.")


class RequestSink(Protocol):
    """Receives finished exchanges."""

    in_flight: int
    """Requests that have begun and have not ended."""
    is_due: bool
    """Whether a flush is already scheduled."""

    def schedule(self) -> None:
        """Schedule a flush."""

    def add(self, exchange: Exchange) -> None:
        """Accept a finished exchange."""

    def report(self, error: BaseException, request: RequestContext) -> None:
        """Accept an exception that left the app."""


class Unrecorded:
    """Accepts requests that have no metric, trace or access line; only reports their errors."""

    is_due = True  # the queue is always empty

    def __init__(self, report: Callable[[BaseException, RequestContext], None]) -> None:
        self.in_flight = 0
        self.report = report

    def schedule(self) -> None:
        """Do nothing: the queue is always empty."""

    def add(self, exchange: Exchange) -> None:
        """Decrease the number of requests in flight."""
        self.in_flight -= 1


class Exchange(RequestContext):
    """Passes one request to the recorder once: when its response is complete or never will be.

    ``receive`` and ``send`` sit between the server and the app. Times are in seconds, sizes in
    bytes. ``status`` and ``duration`` are known when the exchange is finished.

    Args:
        ledger: receives the finished exchange.
        scope: the request's ASGI scope.
        receive: receives a message from the server.
        send: sends a message to the server.
        decision: the request's ids, and whether its trace is kept.
        request_id: the request's id.
        headers: the headers to add to the response; None adds none.
    """

    __slots__ = (
        "_has_trailers",
        "_headers",
        "_held",
        "_ledger",
        "_left",
        "_receive",
        "_send",
        "bytes_in",
        "bytes_out",
        "decision",
        "duration",
        "error",
        "first_byte",
        "scope",
        "span",
        "start",
        "status",
    )

    def __init__(
        self,
        ledger: RequestSink,
        scope: Scope,
        receive: Receive,
        send: Send,
        decision: Decision,
        request_id: str,
        headers: ResponseHeaders | None,
    ) -> None:
        self.start = perf_counter()
        self.status = self.bytes_in = self.bytes_out = 0
        self.first_byte = 0.0  # stays 0 if the response has a single body message
        self.error: BaseException | None = None
        self._left = self._has_trailers = False
        self._held: list[Message] = []
        self.scope = scope
        self.span: Span | None = None
        self.decision = decision
        self._ledger = ledger
        self._receive = receive
        self._send = send
        self._headers = headers
        # A copy of super().__init__(): the call would double the cost.
        self.request_id = request_id
        self._trace_id = decision.trace_id
        self._span_id = decision.span_id
        self.sampled = decision.sampled
        self.method = scope["method"]
        self.path = scope["path"]
        self.endpoint = None
        self.bound = None
        self.finished = False
        self.queries = 0
        self.query_seconds = 0.0
        self.statements = None
        ledger.in_flight += 1
        if not ledger.is_due:
            ledger.schedule()

    async def receive(self) -> Message:
        """Pass a message to the app; detect a disconnected client."""
        message = self._held.pop(0) if self._held else await self._receive()
        if message["type"] == "http.request":
            self.bytes_in += len(message.get("body", b""))
        elif message["type"] == "http.disconnect" and not self.finished:
            self._left = True
        return message

    async def send(self, message: Message) -> None:  # noqa: C901  # one more call slows every request
        """Pass a message to the server; add the headers and finish after the last byte."""
        kind = message["type"]
        complete = False
        if kind == "http.response.start":
            self.status = message["status"]
            if "trailers" in message:
                self._has_trailers = message["trailers"]
            if self._headers is not None:
                message["headers"] = self._headers.among(
                    message.get("headers", ()), self.request_id, perf_counter() - self.start
                )
        elif kind == "http.response.body":
            body = message.get("body")
            more = message.get("more_body")
            if body:
                if more and not self.bytes_out:
                    self.first_byte = perf_counter() - self.start
                self.bytes_out += len(body)
            complete = not (more or self._has_trailers)
        elif kind == "http.response.trailers":
            complete = not message.get("more_trailers", False)
        elif kind == "http.response.pathsend":
            complete = True
        if complete and not self._left and perf_counter() - self.start > _CLIENT_CHECK_TIMEOUT:
            self._left = await self._is_client_gone()
        try:
            await self._send(message)
        except OSError:  # servers raise it when the client is gone
            self._left = not self.finished
            raise
        if complete:
            if self.status >= 500:
                # ServerErrorMiddleware answers inside its ``except`` and raises afterwards.
                error = sys.exception()
                self.error = None if is_chosen(error) else error
            elif self._left:
                self.status = STATUS_CLIENT_CLOSED
            self._finish()

    def forget(self, unrecorded: RequestSink) -> None:
        """Discard the request, because it is a probe."""
        self._ledger.in_flight -= 1
        unrecorded.in_flight += 1
        self._ledger = unrecorded
        self.span = None

    async def answer_for(self, error: BaseException) -> None:
        """Send a 500 if the app raised before it sent anything.

        The server's own 500 would lack the request's id.
        """
        if self.status or self._left or not isinstance(error, Exception):
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21")]
        with suppress(Exception):  # the server is gone, or answers itself
            await self.send({"type": "http.response.start", "status": 500, "headers": headers})
            await self.send({"type": "http.response.body", "body": b"Internal Server Error"})

    def abandon(self, error: BaseException | None) -> None:
        """Finish the request: the app returned or raised ``error``, perhaps in mid-response."""
        if error is not None or not self.finished:
            self._end_early(error)
        elif self.error is not None and self.status >= 500:  # a handler turned it into a response
            self._ledger.report(self.error, self)
        # A queued log line keeps this context alive; the error and the scope must not live on.
        self.error = None
        self.scope = _NOTHING
        self._receive = self._send = _is_over

    async def _is_client_gone(self) -> bool:
        """Return whether the client is gone; the server reports that only on request."""
        for _ in range(_MAX_MESSAGES):
            if self._held and self._held[-1]["type"] != "http.request":
                break
            # Python servers answer after one turn of the loop, native ones a little later.
            asked = self._receive()
            turn = 0 if asyncio.iscoroutine(asked) else _NATIVE_TIMEOUT
            asking = asyncio.ensure_future(asked)
            try:
                await asyncio.wait([asking], timeout=turn)
            finally:
                asking.cancel()
            # The response must go out, even if the server rejects such a late receive().
            await asyncio.wait([asking], timeout=_CLIENT_CHECK_TIMEOUT)
            if not asking.done() or asking.cancelled() or asking.exception() is not None:
                return False
            self._held.append(asking.result())  # for the app's next receive()
            if self._held[-1].get("more_body"):
                return False  # leave the rest of an unread body unread
        return bool(self._held) and self._held[-1]["type"] == "http.disconnect"

    def _end_early(self, error: BaseException | None) -> None:
        gone = self._left and (error is None or is_client_disconnect(error))
        if not self.finished:
            self.status = STATUS_CLIENT_CLOSED if gone else 500
            self.error = None if gone else error
            self._finish()
        if isinstance(error, Exception) and not gone:
            self._ledger.report(error, self)

    def _finish(self) -> None:
        if not self.finished:
            self.finished = True
            self.duration = perf_counter() - self.start
            self._ledger.add(self)


async def _is_over(*_: object) -> Any:
    raise RuntimeError("the request has ended: the app has returned")


def is_chosen(error: BaseException | None) -> bool:
    """Return whether the error is the framework's HTTPException: a status that the app chose.

    A subclass that the app defines (for example DatabaseError) is an error that has a status.
    """
    return isinstance(error, HTTPException) and type(error).__module__.startswith(_FRAMEWORKS)


def is_client_disconnect(error: BaseException) -> bool:
    """Return whether the exception only reports that the client is gone."""
    return isinstance(error, OSError) or type(error).__name__ in (
        "CancelledError",
        "ClientDisconnect",
        "WebSocketDisconnect",
    )
