"""The only middleware: pure ASGI, around the app's whole middleware stack.

It also wraps ServerErrorMiddleware, so that a 500 has its ids and is counted. One pass handles the
request id, the trace, metrics, the access log and errors.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection
from contextvars import Context, Token, copy_context
from typing import Any, Final, Protocol

from opentelemetry.context import get_current
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etter_obs._internal.context import RequestContext, current_request
from etter_obs._internal.requests.connection import Connection
from etter_obs._internal.requests.exchange import Exchange, Unrecorded
from etter_obs._internal.requests.ids import REQUEST_ID, new_id
from etter_obs._internal.requests.probes import Probes
from etter_obs._internal.requests.recorder import Recorder
from etter_obs._internal.requests.response_headers import NAME_OF, ResponseHeaders
from etter_obs._internal.tracing import UNTRACED
from etter_obs._internal.tracing.fastapi_instrumentor import span_around, without_span_of

_LOG: Final = logging.getLogger("etter_obs.requests")
_SEEN: Final = "etter_obs.exchange"
"""Scope key: an outer instance already counts this request."""
_LAST: Final = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")
_TEST_CLIENTS: Final = ("anyio.", "asgi_lifespan.")
"""Modules that define ``receive`` of Starlette's TestClient and asgi-lifespan; never a server's."""
_SERVERS_KEY: Final = "spec_version"
"""Servers set the version of the specification in the scope; in-process clients do not."""


class Lifecycle(Protocol):
    """Callbacks for the start and end of the app, called inside the running loop."""

    def starting(self) -> None:
        """Called when the server asks the app to start, or at the first request."""

    def started(self) -> None:
        """Called when the app has started."""

    def stopping(self) -> None:
        """Called when the server asks the app to stop."""

    async def stopped(self, *, in_process: bool) -> None:
        """Called when the app has stopped; ``in_process`` is true under a test client."""


class ObservabilityMiddleware:
    """Observes every request of ``app``.

    Args:
        app: the app's own middleware stack.
        recorder: records requests and connections.
        probes: the package's answers at probe paths.
        quiet: path prefixes whose requests have no request metric, trace or access line, even if
            the app answers them.
        lifecycle: callbacks for the start and end of the app.
        take_id: returns the request's id for the id header of the caller.
        headers: the headers to add to responses; None adds none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        recorder: Recorder,
        probes: Probes,
        quiet: Collection[str],
        lifecycle: Lifecycle,
        take_id: Callable[[bytes], str],
        headers: ResponseHeaders | None,
    ) -> None:
        self.app = app  # the conventional name, for code that walks a stack
        self._recorder = recorder
        self._tracing = recorder.tracing
        self._probes = probes
        self._quiet = re.compile(rf"(?:{'|'.join(map(re.escape, quiet))})(?:/|$)").match
        # A path prefix excludes nearly every request before the slower pattern runs.
        self._start = slice(min((len(path) for path in quiet), default=0))
        self._quiet_starts = frozenset(path[self._start] for path in quiet)
        self._unrecorded = Unrecorded(recorder.report)
        self._lifecycle = lifecycle
        self._take_id = take_id
        self._headers = headers
        self._begun = False
        self._is_off = False
        self._origin = Context()
        """The context from before the first request."""
        self._telling = recorder.tracing.carriers | {REQUEST_ID}
        """Headers with an id or a trace; most requests have none of them."""

    # One function, because one more call slows every request.
    async def __call__(  # noqa: C901
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request, WebSocket or lifespan."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if not self._begun:
            self.begin()
        if self._is_off:
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if scope.get("root_path"):
            path = path.removeprefix(scope["root_path"])
        if path[self._start] in self._quiet_starts and self._quiet(path):
            await self._serve_quietly(path, scope, receive, send)
            return
        if _SEEN in scope:
            await self.app(scope, receive, send)
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
        around = span_around() if get_current() else None
        if around is not None:
            decision = around
        elif tracing.is_excluded is not None and tracing.is_excluded(scope):
            decision = tracing.excluded()
        watched = (Exchange if kind == "http" else Connection)(
            self._recorder, scope, receive, send, decision, request_id, self._headers
        )
        scope[_SEEN] = True  # not ``watched``, which would make a reference cycle
        token = current_request.set(watched)
        carried: Token[Any] | None = None
        try:
            if decision is UNTRACED or around is not None:
                await self.app(scope, watched.receive, watched.send)
            elif decision.sampled:
                watched.span, carried = tracing.start(decision, scope, request_id)
                await self.app(scope, watched.receive, tracing.sender(watched.span, watched.send))
            else:
                carried = tracing.attach(decision, scope)
                await self.app(scope, watched.receive, watched.send)
        except BaseException as error:
            if isinstance(watched, Exchange):
                await watched.answer_for(error)
            watched.abandon(error)
            raise
        else:
            watched.abandon(None)
        finally:
            if carried is not None:
                tracing.detach(carried)
            # A server runs each request in its own task and may log about it after this call, so
            # the ids stay set. An in-process client continues in the same task, so its context is
            # restored.
            if _SERVERS_KEY not in scope.get("asgi", ()):
                current_request.reset(token)

    async def _serve_quietly(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a probe by the package or by the app; the request gets ids but no record."""
        outer = current_request.get() if _SEEN in scope else None
        if isinstance(outer, Exchange):
            # A probe of a mounted app does not count as a request of the outer app.
            outer.forget(self._unrecorded)
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = self._probes.at(path, scope, self._inner_unrecorded)
        await (answer or self._inner_unrecorded)(scope, receive, send)

    async def _inner_unrecorded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _SEEN in scope:
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(REQUEST_ID)
        request_id = new_id() if given is None else self._take_id(given)
        decision = self._tracing.unsampled()
        watched = Exchange(
            self._unrecorded, scope, receive, send, decision, request_id, self._headers
        )
        scope[_SEEN] = True
        token = current_request.set(watched)
        carried = self._tracing.attach(decision, scope)
        try:
            await self.app(scope, watched.receive, watched.send)
        except BaseException as error:
            await watched.answer_for(error)
            watched.abandon(error)
            raise
        else:
            watched.abandon(None)
        finally:
            self._tracing.detach(carried)
            current_request.reset(token)

    async def _apart(
        self, outer: RequestContext, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Serve a request that begins in the context of another; return whether it was served.

        If the other request has ended, the server read the next one from inside it (uvicorn does
        so after a large body), and nothing of the old context may be visible. Otherwise code of
        the other request calls an app in its own process: that code passes its context on, but
        must not receive the context of the inner request.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # not an asyncio loop
            return False
        is_next = outer.finished and _SERVERS_KEY in scope.get("asgi", ())
        context = self._origin.copy() if is_next else copy_context()
        context.run(current_request.set, None)
        context.run(without_span_of, outer)
        await asyncio.create_task(self(scope, receive, send), context=context)
        if is_next:
            current_request.set(context[current_request])  # for later log lines of the server
        return True

    def begin(self) -> None:
        """Start observing in the running loop; later calls do nothing."""
        if self._begun:
            return
        self._begun = True
        self._origin = copy_context()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._is_off = True
            _LOG.warning(
                "etter-obs is off for this app because its event loop is not asyncio (for example "
                "trio): requests are not measured, and /metrics and /health are not served. "
                "Log lines are still written"
            )
            return
        self._lifecycle.starting()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        lifecycle = self._lifecycle
        in_process = type(getattr(receive, "__self__", None)).__module__.startswith(_TEST_CLIENTS)

        async def observed_receive() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._begun = False  # a test client may start an app more than once
                self.begin()
            elif message["type"] == "lifespan.shutdown" and not self._is_off:
                lifecycle.stopping()
            return message

        async def observed_send(message: Message) -> None:
            if not self._is_off:
                if message["type"] == "lifespan.startup.complete":
                    lifecycle.started()
                elif message["type"] in _LAST:
                    await lifecycle.stopped(in_process=in_process)
            await send(message)

        await self.app(scope, observed_receive, observed_send)
