"""One HTTP request and its response, watched from the server's side of the app."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException

from etter_obs.context import RequestContext
from etter_obs.conventions import STATUS_CLIENT_CLOSED, UNMATCHED, Header, KeptBecause, LogField
from etter_obs.random_ids import random_ids
from etter_obs.tracing.sampling import Decision

if TYPE_CHECKING:
    from etter_obs.middleware import Parts

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

REQUEST_ID: Final = Header.REQUEST_ID.lower().encode()
_RESPONSE_TIME: Final = Header.RESPONSE_TIME.lower().encode()
_OURS: Final = frozenset((REQUEST_ID, _RESPONSE_TIME))
_new_id: Final = random_ids(32)
_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._=:-]{1,64}")
"""A request id from outside goes into headers, logs and spans, so it must be harmless in each."""

# Plain strings: a member of a StrEnum hashes and renders more slowly.
_F_REQUEST_ID: Final = LogField.REQUEST_ID.value
_F_TRACE_ID: Final = LogField.TRACE_ID.value
_F_SPAN_ID: Final = LogField.SPAN_ID.value
_F_SAMPLED: Final = LogField.TRACE_SAMPLED.value
_F_METHOD: Final = LogField.METHOD.value
_F_ENDPOINT: Final = LogField.ENDPOINT.value
_F_PATH: Final = LogField.PATH.value
_F_STATUS: Final = LogField.STATUS_CODE.value
_F_DURATION: Final = LogField.DURATION_MS.value
_F_CLIENT: Final = LogField.CLIENT_IP.value
_F_ERROR: Final = LogField.ERROR_TYPE.value

_log = logging.getLogger(__name__)


def request_id(given: bytes | None) -> str:
    """Return the caller's request id where it is short and safe, else a new one."""
    if given is not None and _SAFE_ID.fullmatch(given):
        return given.decode("ascii")
    return _new_id()


class Exchange:
    """Counts one request exactly once, when its response is complete or will never be.

    ``receive`` and ``send`` stand between the server and the app; ``finish`` is called by the last
    of them, or by the middleware when the app has returned or raised.
    """

    __slots__ = (
        "_bytes_in",
        "_bytes_out",
        "_first_byte",
        "_left",
        "_parts",
        "_receive",
        "_scope",
        "_send",
        "_start",
        "_status",
        "_trailers",
        "context",
        "decision",
        "error",
    )

    def __init__(
        self,
        parts: Parts,
        scope: Scope,
        receive: Receive,
        send: Send,
        decision: Decision,
        given_id: bytes | None,
    ) -> None:
        self._start = perf_counter()
        self._parts = parts
        self._scope = scope
        self._receive = receive
        self._send = send
        self._status = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._first_byte = 0.0
        self._left = False
        self._trailers = False
        self.decision = decision
        self.error: BaseException | None = None
        self.context = RequestContext(
            request_id(given_id),
            decision.trace_id,
            decision.span_id,
            decision.sampled,
            scope["method"],
            scope["path"],
        )
        parts.requests.active.inc()

    async def receive(self) -> Message:
        """Pass a message to the app; notice a client that leaves."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes_in += len(message.get("body", b""))
        elif message["type"] == "http.disconnect" and not self.context.finished:
            self._left = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a message to the server; add the headers, and finish after the last byte."""
        kind = message["type"]
        complete = False
        if kind == "http.response.body":
            body = message.get("body")
            if body:
                if not self._bytes_out and message.get("more_body"):
                    self._first_byte = perf_counter() - self._start
                self._bytes_out += len(body)
            complete = not (message.get("more_body") or self._trailers)
        elif kind == "http.response.start":
            self._status = message["status"]
            self._trailers = message.get("trailers", False)
            message = {**message, "headers": self._headers(message.get("headers", ()))}
        elif kind == "http.response.trailers":
            complete = not message.get("more_trailers", False)
        elif kind == "http.response.pathsend":
            complete = True
        try:
            await self._send(message)
        except OSError:  # how servers say that the client is gone
            self._left = not self.context.finished
            raise
        if complete:
            if self._status >= 500:
                # ServerErrorMiddleware answers from inside its ``except`` and raises afterwards.
                error = sys.exception()
                self.error = None if isinstance(error, HTTPException) else error
            self.finish()

    def _headers(self, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        headers = list(given)
        if not _OURS.isdisjoint(dict(headers)):
            headers = [pair for pair in headers if pair[0] not in _OURS]
        headers.append((REQUEST_ID, self.context.request_id.encode()))
        headers.append((_RESPONSE_TIME, b"%.3fs" % (perf_counter() - self._start)))
        return headers

    def finish(self) -> None:
        """Record the request; whatever is wrong with that, the response is not."""
        if self.context.finished:
            return
        self.context.finished = True
        try:
            self._record(perf_counter() - self._start)
        except Exception:  # noqa: BLE001
            _log.warning("A request could not be recorded", exc_info=True)

    def abandon(self, error: BaseException | None) -> None:
        """Take note that the app is done, or raised ``error``; its response may be incomplete."""
        gone = self._left and (error is None or _says_gone(error))
        if not self.context.finished:
            self._status = STATUS_CLIENT_CLOSED if gone else 500
            self.error = None if gone else error
            self.finish()
        if isinstance(error, Exception) and not gone:
            self._parts.report(error, self.context)

    def _record(self, duration: float) -> None:
        parts, context, scope = self._parts, self.context, self._scope
        status = self._status
        if self._left and status < 500:
            status = STATUS_CLIENT_CLOSED
        route = parts.table.endpoint(scope)
        if route is None and status != 404:
            # A middleware answered: a broken one must not hide its errors among the unmatched.
            route = parts.table.search(scope)
        endpoint = context.endpoint if context.endpoint and route else route
        context.endpoint = endpoint = endpoint or UNMATCHED
        error = self.error
        kept = context.sampled or self._keep(status, duration, endpoint)
        parts.requests.series(context.method, endpoint, status).record(
            duration,
            self._first_byte or duration,
            self._bytes_in,
            self._bytes_out,
            context.trace_id if kept else None,
        )
        if context.queries:
            parts.finish_queries(context)
        if status >= 500 or parts.logs_all:
            fields = {
                _F_REQUEST_ID: context.request_id,
                _F_TRACE_ID: context.trace_id,
                _F_SPAN_ID: context.span_id,
                _F_SAMPLED: kept,
                _F_METHOD: context.method,
                _F_ENDPOINT: endpoint,
                _F_PATH: context.path,
                _F_STATUS: status,
                _F_DURATION: round(duration * 1000, 3),
                _F_CLIENT: parts.client(scope),
            }
            if error is not None:
                fields[_F_ERROR] = type(error).__name__
            parts.access(fields)

    def _keep(self, status: int, duration: float, endpoint: str) -> bool:
        """Leave a span of an unsampled request that went wrong; tell whether there is one."""
        parts = self._parts
        if status >= 500:
            reason = KeptBecause.ERROR
        elif duration > parts.slow and endpoint not in parts.streaming:
            reason = KeptBecause.LATENCY
        else:
            return False
        end = time.time_ns()
        return parts.tracing.keep(
            self.decision,
            self._scope,
            request_id=self.context.request_id,
            endpoint=endpoint,
            start_ns=end - int(duration * 1e9),
            end_ns=end,
            status=status,
            exception=self.error,
            reason=reason,
        )


def _says_gone(error: BaseException) -> bool:
    """Tell whether an exception only repeats that the client is gone."""
    return isinstance(error, OSError) or type(error).__name__ in (
        "CancelledError",
        "ClientDisconnect",
    )
