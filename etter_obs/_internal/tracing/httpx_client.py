"""Traces and measures outgoing requests of httpx.

The official instrumentation creates the spans if the current request is sampled; otherwise only
the headers are added. Both transports of httpx are patched, as in the official instrumentation:
above it to measure and to choose, below it to restore headers of other libraries that it replaced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from opentelemetry import propagate
from opentelemetry.metrics import NoOpMeterProvider

from etter_obs._internal.context import current_request
from etter_obs._internal.conventions import CLIENT_DURATION, CLIENT_ERRORS, OTHER_METHOD, OVERFLOW
from etter_obs._internal.newest_app import Newest
from etter_obs._internal.operations import Operation, OperationKind, Watch
from etter_obs._internal.optional_dependencies import HTTPX_CALLS, HTTPX_SPANS, is_installed
from etter_obs._internal.tracing.newest_provider import NewestProvider
from etter_obs._internal.tracing.outgoing import reconcile
from etter_obs._internal.tracing.propagation import in_unsampled_request
from etter_obs._internal.tracing.semconv import stable_conventions

if TYPE_CHECKING:
    import httpx

    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.tracing import Tracing

MAX_HOSTS: Final = 50
"""Limit of host label values; an app that calls addresses from users may call any number."""
_METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY", "CONNECT")
)
_BAD_REQUEST: Final = 400
_METHOD_NAMES: Final = ("handle_request", "handle_async_request")
_BEFORE: Final = "etter_obs.headers_before"
"""The request's extension that passes the original headers to the lower patch."""


class _User(NamedTuple):
    """The parts of an app that the patches use."""

    calls: _Calls
    tracing: Tracing


_users: Final[Newest[_User]] = Newest()
_patching: Final = threading.RLock()
_patch: _Patch | None = None
"""The patch of this process, shared by all of its apps."""


def instrument_httpx(
    registry: MetricsRegistry, tracing: Tracing, watch: Watch | None = None
) -> Callable[[], None]:
    """Measure and trace the requests of httpx for the newest app; return the undo.

    A second call of the undo does nothing. Without httpx the function does nothing; if httpx is
    broken or too old, a warning reports it. If the user has already instrumented httpx, its spans
    and headers stay, and only the metrics are added. If tracing is on but OpenTelemetry's
    instrumentation is unusable, a warning reports it and no spans are created.

    Args:
        registry: accepts the ``client_*`` metrics.
        tracing: provides the spans' provider.
        watch: accepts every request; None if nothing shows them.
    """
    if not is_installed("httpx") or HTTPX_CALLS.attempt(lambda: True) is None:
        return lambda: None
    import httpx

    official = HTTPX_SPANS.attempt(_official) if tracing.enabled else None
    owners = (httpx.HTTPTransport, httpx.AsyncHTTPTransport)
    calls = _Calls(registry) if watch is None else _WatchedCalls(registry, watch)
    forget = _users.put(_User(calls, tracing))
    global _patch  # one per process
    with _patching:
        if _patch is not None and official is not None and not _patch.makes_spans and _patch.undo():
            _patch = None
        if _patch is None:
            _patch = _Patch(owners, official)

    def undo() -> None:
        global _patch
        with _patching:
            forget()
            if _users.current is None and _patch is not None and _patch.undo():
                _patch = None

    return undo


class _Patch:
    """Replaces the transports' methods, on behalf of the newest app.

    Args:
        owners: the transports' classes, sync and async.
        official: OpenTelemetry's instrumentor; None if no app creates spans.
    """

    def __init__(self, owners: tuple[type, type], official: Any) -> None:
        self.makes_spans = official is not None
        self._is_on = True
        self._layers = _Layers(owners)
        # Another instrumentation already adds the headers.
        self._adds_headers = official is None or not official.is_instrumented_by_opentelemetry
        self._plain = self._layers.methods()
        if self._adds_headers:
            self._layers.put(*map(_reconciling, self._plain))  # below the official layer
        self._reconciling = self._layers.methods()
        if self._adds_headers and official is not None:
            provider = NewestProvider(
                lambda: user.tracing.provider if (user := _users.current) else None
            )
            with stable_conventions():
                official.instrument(tracer_provider=provider, meter_provider=NoOpMeterProvider())
            self._layers.undos.append(official.uninstrument)
        self._traced = self._layers.methods()
        self._layers.put(*self._on_top())

    def undo(self) -> bool:
        """Remove the patch; return False if other code wrapped it since, so that it stays."""
        self._is_on = not self._layers.undo()
        return not self._is_on

    def _on_top(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            user = _users.current
            if user is None or not self._is_on:
                response: httpx.Response = self._plain[0](transport, request)
                return response
            with _Call(user.calls, request) as call:
                call.response = self._send(0, user.tracing, transport, request)
            return call.response

        async def handle_async(
            transport: httpx.AsyncHTTPTransport, request: httpx.Request
        ) -> httpx.Response:
            user = _users.current
            if user is None or not self._is_on:
                response: httpx.Response = await self._plain[1](transport, request)
                return response
            with _Call(user.calls, request) as call:
                call.response = await self._send(1, user.tracing, transport, request)
            return call.response

        return handle, handle_async

    def _send(self, which: int, tracing: Tracing, transport: Any, request: httpx.Request) -> Any:
        if not self._adds_headers:
            return self._plain[which](transport, request)
        # A copy, because the caller may send the request again, in another trace.
        copy = type(request)(
            request.method,
            request.url,
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, _BEFORE: request.headers},
        )
        if self.makes_spans and tracing.enabled and not in_unsampled_request():
            return self._traced[which](transport, copy)
        propagate.inject(copy.headers)
        return self._reconciling[which](transport, copy)


class _Layers:
    """The layers around the transports' methods."""

    def __init__(self, owners: tuple[type, type]) -> None:
        self._owners = owners
        self.undos: list[Callable[[], None]] = []
        self._top: tuple[Any, ...] = ()

    def methods(self) -> tuple[Any, ...]:
        """Return the current methods, sync and async."""
        return tuple(
            getattr(owner, name) for owner, name in zip(self._owners, _METHOD_NAMES, strict=True)
        )

    def put(self, *ours: Callable[..., Any]) -> None:
        """Replace the methods by ``ours``."""
        for owner, name, mine in zip(self._owners, _METHOD_NAMES, ours, strict=True):
            self.undos.append(partial(setattr, owner, name, vars(owner)[name]))
            setattr(owner, name, mine)
        self._top = ours

    def undo(self) -> bool:
        """Remove all layers, newest first, unless other code added a layer on top."""
        if any(now is not mine for now, mine in zip(self.methods(), self._top, strict=True)):
            return False
        while self.undos:
            self.undos.pop()()
        return True


def _reconciling(plain: Any) -> Callable[..., Any]:
    """Return a transport's method that merges the original headers with the propagators'."""

    def send(transport: Any, request: httpx.Request) -> Any:
        before = request.extensions.pop(_BEFORE, None)
        if before is not None:
            reconcile(request.headers, before)
        return plain(transport, request)

    return send


def _official() -> Any:
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

    return HTTPXClientInstrumentor()


class _Calls:
    """Counts outgoing requests."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._durations = registry.histogram(CLIENT_DURATION)
        self._errors = registry.counter(CLIENT_ERRORS)
        self._hosts: set[str] = set()

    def answered(self, request: httpx.Request, status: int, seconds: float) -> None:
        """Record a response.

        Args:
            request: the request.
            status: the HTTP status of the response.
            seconds: time until the headers of the response.
        """
        served = current_request.get()
        self._durations.child(_method(request), self._host(request), f"{status // 100}xx").observe(
            seconds, served.trace_id if served is not None and served.sampled else None
        )

    def failed(self, request: httpx.Request, error: Exception, seconds: float) -> None:
        """Count a request that had no response for ``seconds``."""
        self._errors.child(_method(request), self._host(request), type(error).__name__).inc()

    def _host(self, request: httpx.Request) -> str:
        host = request.url.host
        if host in self._hosts:
            return host
        if len(self._hosts) >= MAX_HOSTS:
            return OVERFLOW
        self._hosts.add(host)
        return host


class _WatchedCalls(_Calls):
    """Passes outgoing requests to ``watch`` as well."""

    def __init__(self, registry: MetricsRegistry, watch: Watch) -> None:
        super().__init__(registry)
        self._watch = watch

    def answered(self, request: httpx.Request, status: int, seconds: float) -> None:
        """Record a response and pass the request on."""
        super().answered(request, status, seconds)
        self._pass(request, seconds, str(status), failed=status >= _BAD_REQUEST)

    def failed(self, request: httpx.Request, error: Exception, seconds: float) -> None:
        """Count a request without a response and pass it on."""
        super().failed(request, error, seconds)
        self._pass(request, seconds, type(error).__name__, failed=True)

    def _pass(self, request: httpx.Request, seconds: float, outcome: str, *, failed: bool) -> None:
        url = request.url
        name = f"{request.method} {url.scheme}://{url.netloc.decode('ascii')}{url.path}"
        end = time.perf_counter()
        self._watch(Operation(OperationKind.HTTP, name, end - seconds, end, outcome, failed))


class _Call:
    """One outgoing request, for sync and async callers."""

    __slots__ = ("_calls", "_request", "_started", "response")

    def __init__(self, calls: _Calls, request: httpx.Request) -> None:
        self._calls = calls
        self._request = request
        self.response: httpx.Response

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        elapsed = time.perf_counter() - self._started
        if error is None:
            self._calls.answered(self._request, self.response.status_code, elapsed)
        elif isinstance(error, Exception):
            self._calls.failed(self._request, error, elapsed)


def _method(request: httpx.Request) -> str:
    return request.method if request.method in _METHODS else OTHER_METHOD
