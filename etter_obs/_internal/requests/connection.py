"""One WebSocket connection, observed between the server and the app."""

from __future__ import annotations

import logging
from time import perf_counter, time_ns
from typing import Final

from opentelemetry.trace import Span
from starlette.types import Message, Receive, Scope, Send

from etter_obs._internal.context import RequestContext
from etter_obs._internal.conventions import UNMATCHED, KeptBecause, log_fields
from etter_obs._internal.metrics.children import Counter
from etter_obs._internal.requests.exchange import is_client_disconnect
from etter_obs._internal.requests.recorder import Recorder
from etter_obs._internal.requests.response_headers import ResponseHeaders
from etter_obs._internal.tracing.sampling import Decision

METHOD: Final = "WEBSOCKET"
"""The value of the method field in log lines."""
_SWITCHING: Final = 101
_DATA: Final = frozenset(("websocket.receive", "websocket.send"))
_HEADED: Final = frozenset(("websocket.accept", "websocket.http.response.start"))

_log = logging.getLogger("etter_obs.requests")


class Connection(RequestContext):
    """Measures one connection, from the handshake until a side closes it or the app returns.

    Args:
        recorder: records the connection.
        scope: the connection's ASGI scope.
        receive: receives a message from the server.
        send: sends a message to the server.
        decision: the connection's ids, and whether its trace is kept.
        request_id: the connection's id.
        headers: the headers to add to the response; None adds none.
    """

    def __init__(
        self,
        recorder: Recorder,
        scope: Scope,
        receive: Receive,
        send: Send,
        decision: Decision,
        request_id: str,
        headers: ResponseHeaders | None,
    ) -> None:
        self._start = perf_counter()
        self._recorder = recorder
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers = headers
        self._left = False
        self._messages: Counter | None = None
        self._status = 403  # the server's answer if the app closes before it accepts
        self.decision = decision
        self.span: Span | None = None
        """The server span, if one was started; the end of the connection ends it."""
        super().__init__(
            request_id,
            decision.trace_id,
            decision.span_id,
            decision.sampled,
            METHOD,
            scope["path"],
        )
        recorder.requests.websockets.inc()

    async def receive(self) -> Message:
        """Pass a message to the app and count it."""
        message = await self._receive()
        if message["type"] in _DATA:
            self._count()
        elif message["type"] == "websocket.disconnect":
            self._left = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a message to the server and count it; add the id to the handshake's answer."""
        kind = message["type"]
        if kind in _DATA:
            self._count()
        elif kind in _HEADED:
            self._status = message.get("status", _SWITCHING)
            if self._headers is not None:
                headers = self._headers.among(message.get("headers") or (), self.request_id, None)
                message = {**message, "headers": headers}
        try:
            await self._send(message)
        except OSError:  # servers raise it when the client is gone
            self._left = True
            raise

    def abandon(self, error: BaseException | None) -> None:
        """Record the finished connection: the app returned, or raised ``error``."""
        if error is not None and self._left and is_client_disconnect(error):
            error = None
        recorder = self._recorder
        self.finished = True
        duration = perf_counter() - self._start
        try:
            recorder.requests.websockets.dec()
            endpoint = self.endpoint = self._endpoint()
            if self.span is not None:
                recorder.tracing.end(
                    self.span,
                    self._scope,
                    route=None if endpoint == UNMATCHED else endpoint,
                    status=None,
                    exception=error,
                )
            kept = self.sampled
            if isinstance(error, Exception):
                kept = kept or self._keep(endpoint, duration, error)
                recorder.report(error, self)
                self._status = 500
            recorder.requests.websocket_duration.child(endpoint).observe(
                duration, self.trace_id if kept else None
            )
            if isinstance(error, Exception) or recorder.logs_all:
                recorder.access(self._line(endpoint, duration, error, kept))
        except Exception:  # noqa: BLE001  # a failed record must not break the app
            _log.warning("A connection could not be recorded", exc_info=True)

    def _keep(self, endpoint: str, duration: float, error: Exception) -> bool:
        """Create a span for a failed unsampled connection; return whether there is one."""
        end = time_ns()
        return self._recorder.tracing.keep(
            self.decision,
            self._scope,
            request_id=self.request_id,
            endpoint=endpoint,
            start_ns=end - int(duration * 1e9),
            end_ns=end,
            status=None,
            exception=error,
            reason=KeptBecause.ERROR,
        )

    def _endpoint(self) -> str:
        return self._recorder.table.endpoint(self._scope) or UNMATCHED

    def _count(self) -> None:
        if self._messages is None:  # the first message comes after routing
            self._messages = self._recorder.requests.websocket_messages.child(self._endpoint())
        self._messages.inc()

    def _line(
        self, endpoint: str, duration: float, error: BaseException | None, kept: bool
    ) -> dict[str, object]:
        fields: dict[str, object] = {
            log_fields.REQUEST_ID: self.request_id,
            log_fields.TRACE_ID: self.trace_id,
            log_fields.SPAN_ID: self.span_id,
            log_fields.TRACE_SAMPLED: kept,
            log_fields.METHOD: METHOD,
            log_fields.ENDPOINT: endpoint,
            log_fields.PATH: self.path,
            log_fields.STATUS_CODE: self._status,
            log_fields.DURATION_MS: round(duration * 1000, 3),
            log_fields.CLIENT_IP: self._recorder.client(self._scope),
        }
        if error is not None:
            fields[log_fields.ERROR_TYPE] = type(error).__name__
        return fields
