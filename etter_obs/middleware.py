"""The one middleware: pure ASGI, outside everything that the app brings.

It stands outside ServerErrorMiddleware too, so that a 500 has its ids and is counted, and does
everything in one pass: request id, trace, metrics, access log, errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etter_obs.context import RequestContext, current_request
from etter_obs.conventions import Path
from etter_obs.exchange import NAME_OF, REQUEST_ID, Exchange
from etter_obs.metrics.requests import RequestMetrics
from etter_obs.recorder import Recorder
from etter_obs.tracing import UNTRACED, Tracing
from etter_obs.websocket import Connection

_SEEN: Final = "etter_obs.exchange"
"""Scope key: an outer instance already counts this request."""
_QUIET: Final = re.compile(rf"{Path.METRICS}$|/health(/|$)").match
"""Probes stay out of request metrics, traces and access log, even those that the app answers."""


class Lifecycle(Protocol):
    """What wants to know of the app's start and end, inside the running loop."""

    def starting(self) -> None:
        """The server asks the app to start, or the first request is here."""

    def started(self) -> None:
        """The app has started."""

    def stopping(self) -> None:
        """The server asks the app to stop."""

    async def stopped(self) -> None:
        """The app has stopped."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a request meets. ``report`` is told of exceptions that leave the app."""

    requests: RequestMetrics
    tracing: Tracing
    recorder: Recorder
    report: Callable[[BaseException, RequestContext], None]
    probes: Mapping[str, ASGIApp]
    lifecycle: Lifecycle


class ObservabilityMiddleware:
    """Observes every request of ``app``.

    Args:
        app: the whole of the app's own middleware stack.
        parts: what is told of a request.
    """

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self.inner = app
        self._parts = parts
        self._begun = False
        self._telling = parts.tracing.carriers | {REQUEST_ID}
        """Headers that tell something; most requests come without any of them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        parts = self._parts
        if not self._begun:
            self._begun = True
            parts.lifecycle.starting()
        path = scope["path"]
        if scope.get("root_path"):
            path = path.removeprefix(scope["root_path"])
        probe = parts.probes.get(path) if kind == "http" else None
        if probe is not None:
            await probe(scope, receive, send)
            return
        if _SEEN in scope or _QUIET(path):
            await self.inner(scope, receive, send)
            return
        tracing = parts.tracing
        headers = scope["headers"]
        given_id = None
        if self._telling.isdisjoint(map(NAME_OF, headers)):
            decision = tracing.untraced or tracing.begin()
        else:
            decision = tracing.decide(headers)
            given_id = dict(headers).get(REQUEST_ID)
        watched = (Exchange if kind == "http" else Connection)(
            parts, scope, receive, send, decision, given_id
        )
        scope[_SEEN] = True  # not ``watched``, which knows the scope: no work for the collector
        # It is not reset: each request runs in a task of its own, and what the server logs about
        # the request after this has returned should still carry its ids.
        current_request.set(watched)
        try:
            if decision.sampled:
                await tracing.serve(
                    self.inner,
                    scope,
                    watched.receive,
                    watched.send,
                    decision,
                    watched.request_id,
                )
            elif decision is UNTRACED:
                await self.inner(scope, watched.receive, watched.send)
            else:
                token = tracing.attach(decision, scope)
                try:
                    await self.inner(scope, watched.receive, watched.send)
                finally:
                    tracing.detach(token)
        except BaseException as error:
            watched.abandon(error)
            raise
        watched.abandon(None)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        lifecycle = self._parts.lifecycle

        async def observed_receive() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._begun = True
                lifecycle.starting()
            elif message["type"] == "lifespan.shutdown":
                lifecycle.stopping()
            return message

        async def observed_send(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                lifecycle.started()
            elif message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await lifecycle.stopped()
            await send(message)

        await self.inner(scope, observed_receive, observed_send)
