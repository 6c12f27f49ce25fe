"""The one middleware: pure ASGI, outside everything that the app brings.

It stands outside ServerErrorMiddleware too, so that a 500 has its ids and is counted, and does
everything in one pass: request id, trace, metrics, access log, errors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from typing import Final, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etter_obs.context import RequestContext, current_request
from etter_obs.conventions import Path
from etter_obs.requests.connection import Connection
from etter_obs.requests.exchange import Exchange
from etter_obs.requests.ids import REQUEST_ID, new_id
from etter_obs.requests.recorder import Recorder
from etter_obs.requests.response_headers import NAME_OF, ResponseHeaders
from etter_obs.tracing import UNTRACED

_SEEN: Final = "etter_obs.exchange"
"""Scope key: an outer instance already counts this request."""
_QUIET: Final = re.compile(rf"{Path.METRICS}$|/health(/|$)").match
"""Probes stay out of request metrics, traces and access log, even those that the app answers."""
_QUIET_STARTS: Final = frozenset(("/health", Path.METRICS[:7]))
"""How their paths begin: looked at for every request, where the pattern would cost too much."""


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


class ObservabilityMiddleware:
    """Observes every request of ``app``.

    Args:
        app: the whole of the app's own middleware stack.
        recorder: writes requests and connections down.
        probes: what answers at a path instead of the app.
        lifecycle: is told when the app starts and stops.
        take_id: gives the request's id for what a caller sent as one.
        headers: those that responses get; None for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        recorder: Recorder,
        probes: Mapping[str, ASGIApp],
        lifecycle: Lifecycle,
        take_id: Callable[[bytes], str],
        headers: ResponseHeaders | None,
    ) -> None:
        self.inner = app
        self._recorder = recorder
        self._tracing = recorder.tracing
        self._probes = probes
        self._lifecycle = lifecycle
        self._take_id = take_id
        self._headers = headers
        self._begun = False
        self._origin = Context()
        """What a request may find that was there before the first one."""
        self._telling = recorder.tracing.carriers | {REQUEST_ID}
        """Headers that tell something; most requests come without any of them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if not self._begun:
            self._begin()
        path = scope["path"]
        if scope.get("root_path"):
            path = path.removeprefix(scope["root_path"])
        if path[:7] in _QUIET_STARTS and _QUIET(path):
            probe = self._probes.get(path) if kind == "http" else None
            await (probe or self.inner)(scope, receive, send)
            return
        if _SEEN in scope:
            await self.inner(scope, receive, send)
            return
        if (outer := current_request.get()) is not None and await self._apart(
            outer, scope, receive, send
        ):
            return
        tracing = self._tracing
        headers = scope["headers"]
        if self._telling.isdisjoint(map(NAME_OF, headers)):
            decision = tracing.untraced or tracing.begin()
            request_id = new_id()
        else:
            decision = tracing.decide(headers)
            given = dict(headers).get(REQUEST_ID)
            request_id = new_id() if given is None else self._take_id(given)
        watched = (Exchange if kind == "http" else Connection)(
            self._recorder, scope, receive, send, decision, request_id, self._headers
        )
        scope[_SEEN] = True  # not ``watched``, which knows the scope: no work for the collector
        # It is not reset: each request runs in a task of its own, and what the server logs about
        # the request after this has returned should still carry its ids.
        current_request.set(watched)
        try:
            if decision is UNTRACED:
                await self.inner(scope, watched.receive, watched.send)
            elif decision.sampled:
                await tracing.serve(
                    self.inner, scope, watched.receive, watched.send, decision, request_id
                )
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

    async def _apart(
        self, outer: RequestContext, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Serve a request that begins in the context of another; tell whether it could be done.

        The other one is over where a server went on reading from within it (uvicorn does, after a
        large body): nothing of it may be seen. Otherwise it calls an app in its own process: it
        gives what it knows, and must not come back with what it was called for.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # another kind of loop
            return False
        context = self._origin.copy() if outer.finished else copy_context()
        context.run(current_request.set, None)
        await asyncio.create_task(self(scope, receive, send), context=context)
        if outer.finished:
            current_request.set(context[current_request])  # for what the server logs afterwards
        return True

    def _begin(self) -> None:
        self._begun = True
        self._origin = copy_context()
        self._lifecycle.starting()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        lifecycle = self._lifecycle

        async def observed_receive() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._begin()
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
