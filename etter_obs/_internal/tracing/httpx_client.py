"""Outgoing requests by httpx: the trace goes on with them, and their time and failures are counted.

Spans are the official instrumentation's, made where the request being served is sampled; elsewhere
only the headers are added. Both transports of httpx are patched, as the official one does: above it
to measure and choose, below it to give back the headers of others that it has replaced.
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
"""Hosts that the metrics tell apart; who calls the addresses that users give calls any number."""
_METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY", "CONNECT")
)
_METHOD_NAMES: Final = ("handle_request", "handle_async_request")
_BEFORE: Final = "etter_obs.headers_before"
"""The request's extension that tells the lower patch which headers it had above."""


class _User(NamedTuple):
    """What an app gives to the patches."""

    calls: _Calls
    tracing: Tracing


_users: Final[Newest[_User]] = Newest()
_patching: Final = threading.RLock()
_patch: _Patch | None = None
"""The one patch of this process, whatever the number of its apps."""


def instrument_httpx(registry: MetricsRegistry, tracing: Tracing) -> Callable[[], None]:
    """Measure and trace what httpx sends, for the newest app; return the undo.

    A second call of the undo does nothing. Where httpx is not installed nothing is done; where it
    is broken or older than what works a warning says so. Where the
    user has instrumented httpx already, their spans and headers stay, and only the metrics are
    added. Where tracing is on and OpenTelemetry's instrumentation is not usable, spans are left
    out, with a warning.

    Args:
        registry: takes the ``client_*`` metrics.
        tracing: gives the spans' provider.
    """
    if not is_installed("httpx") or HTTPX_CALLS.attempt(lambda: True) is None:
        return lambda: None
    import httpx

    official = HTTPX_SPANS.attempt(_official) if tracing.enabled else None
    owners = (httpx.HTTPTransport, httpx.AsyncHTTPTransport)
    forget = _users.put(_User(_Calls(registry), tracing))
    global _patch  # one for the process
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
    """What stands in place of the transports' methods, for whichever app is the newest.

    Args:
        owners: the transports' classes, the sync one and the async one.
        official: OpenTelemetry's instrumentor, None where no app makes spans.
    """

    def __init__(self, owners: tuple[type, type], official: Any) -> None:
        self.makes_spans = official is not None
        self._is_on = True
        self._layers = _Layers(owners)
        # Headers are added where nobody else adds them.
        self._adds_headers = official is None or not official.is_instrumented_by_opentelemetry
        self._plain = self._layers.methods()
        if self._adds_headers:
            self._layers.put(*map(_reconciling, self._plain))  # below the official ones
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
        """Take it out; False where somebody has wrapped it since: it stays for the next app."""
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
        # A copy, for the caller may send the request again, or be redirected: in another trace.
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
    """What is put around the transports' methods, one layer over the other."""

    def __init__(self, owners: tuple[type, type]) -> None:
        self._owners = owners
        self.undos: list[Callable[[], None]] = []
        self._top: tuple[Any, ...] = ()

    def methods(self) -> tuple[Any, ...]:
        """Return the methods in force: the sync one, the async one."""
        return tuple(
            getattr(owner, name) for owner, name in zip(self._owners, _METHOD_NAMES, strict=True)
        )

    def put(self, *ours: Callable[..., Any]) -> None:
        """Put ``ours`` in their place."""
        for owner, name, mine in zip(self._owners, _METHOD_NAMES, ours, strict=True):
            self.undos.append(partial(setattr, owner, name, vars(owner)[name]))
            setattr(owner, name, mine)
        self._top = ours

    def undo(self) -> bool:
        """Take all out, the newest first, unless that would take out somebody else's layer too."""
        if any(now is not mine for now, mine in zip(self.methods(), self._top, strict=True)):
            return False
        while self.undos:
            self.undos.pop()()
        return True


def _reconciling(plain: Any) -> Callable[..., Any]:
    """Return a transport's method that sends what was there beside what the propagators added."""

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
        """Count a response; its time is that to its headers."""
        served = current_request.get()
        self._durations.child(_method(request), self._host(request), f"{status // 100}xx").observe(
            seconds, served.trace_id if served is not None and served.sampled else None
        )

    def failed(self, request: httpx.Request, error: Exception) -> None:
        """Count a request without a response."""
        self._errors.child(_method(request), self._host(request), type(error).__name__).inc()

    def _host(self, request: httpx.Request) -> str:
        host = request.url.host
        if host in self._hosts:
            return host
        if len(self._hosts) >= MAX_HOSTS:
            return OVERFLOW
        self._hosts.add(host)
        return host


class _Call:
    """One outgoing request, the same for sync and async callers."""

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
        if error is None:
            elapsed = time.perf_counter() - self._started
            self._calls.answered(self._request, self.response.status_code, elapsed)
        elif isinstance(error, Exception):
            self._calls.failed(self._request, error)


def _method(request: httpx.Request) -> str:
    return request.method if request.method in _METHODS else OTHER_METHOD
