"""Outgoing requests by httpx: the trace goes on with them, and their time and failures are counted.

Spans are the official instrumentation's, made where the request being served is sampled; elsewhere
only the headers are added. Both transports of httpx are patched, as the official one does: above it
to measure and choose, below it to give back the headers of others that it has replaced.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from opentelemetry import propagate
from opentelemetry.metrics import NoOpMeterProvider

from etter_obs.context import current_request
from etter_obs.conventions import CLIENT_DURATION, CLIENT_ERRORS, OTHER_METHOD, OVERFLOW
from etter_obs.optional_dependencies import HTTPX_SPANS
from etter_obs.tracing.outgoing import reconcile
from etter_obs.tracing.propagation import in_unsampled_request
from etter_obs.tracing.semconv import stable_conventions

if TYPE_CHECKING:
    import httpx

    from etter_obs.metrics.registry import MetricsRegistry
    from etter_obs.tracing import Tracing

MAX_HOSTS: Final = 50
"""Hosts that the metrics tell apart; who calls the addresses that users give calls any number."""
_METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY", "CONNECT")
)
_METHOD_NAMES: Final = ("handle_request", "handle_async_request")
_BEFORE: Final = "etter_obs.headers_before"
"""The request's extension that tells the lower patch which headers it had above."""


def instrument_httpx(registry: MetricsRegistry, tracing: Tracing) -> Callable[[], None]:
    """Patch httpx's transports; return the undo, whose second call does nothing.

    Where httpx is not installed nothing is done. Where the user has instrumented httpx already,
    their spans and headers stay, and only the metrics are added. Where tracing is on and
    OpenTelemetry's instrumentation is not usable, spans are left out, with a warning.

    Args:
        registry: takes the ``client_*`` metrics.
        tracing: gives the spans' provider.
    """
    try:
        import httpx
    except ImportError:
        return lambda: None
    calls = _Calls(registry)
    instrumentor = HTTPX_SPANS.attempt(_official) if tracing.enabled else None
    # Headers are added where nobody else adds them.
    adds_headers = instrumentor is None or not instrumentor.is_instrumented_by_opentelemetry
    patches = _Patches((httpx.HTTPTransport, httpx.AsyncHTTPTransport))
    plain = patches.methods()
    if adds_headers:
        patches.put(*map(_reconciling, plain))  # below the official ones
    reconciling = patches.methods()
    if adds_headers and instrumentor is not None:
        with stable_conventions():
            instrumentor.instrument(
                tracer_provider=tracing.provider, meter_provider=NoOpMeterProvider()
            )
        patches.undos.append(instrumentor.uninstrument)
    traced = patches.methods()

    def send(which: int, transport: Any, request: httpx.Request) -> Any:
        if not adds_headers:
            return plain[which](transport, request)
        # A copy, for the caller may send the request again, or be redirected: in another trace.
        copy = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, _BEFORE: request.headers},
        )
        if instrumentor is not None and not in_unsampled_request():
            return traced[which](transport, copy)
        propagate.inject(copy.headers)
        return reconciling[which](transport, copy)

    def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        with _Call(calls, request) as call:
            call.response = send(0, transport, request)
        return call.response

    async def handle_async(
        transport: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> httpx.Response:
        with _Call(calls, request) as call:
            call.response = await send(1, transport, request)
        return call.response

    patches.put(handle, handle_async)
    return patches.undo


class _Patches:
    """What is put in place of the transports' methods, and how it is taken out again."""

    def __init__(self, owners: tuple[type, type]) -> None:
        self._owners = owners
        self.undos: list[Callable[[], None]] = []

    def methods(self) -> tuple[Any, ...]:
        """Return the methods in force: the sync one, the async one."""
        return tuple(
            getattr(owner, name) for owner, name in zip(self._owners, _METHOD_NAMES, strict=True)
        )

    def put(self, *ours: Callable[..., Any]) -> None:
        """Put ``ours`` in their place."""
        for owner, name, mine in zip(self._owners, _METHOD_NAMES, ours, strict=True):
            self.undos.append(partial(_restore, owner, name, mine, getattr(owner, name)))
            setattr(owner, name, mine)

    def undo(self) -> None:
        """Take out what was put in, the newest first."""
        while self.undos:
            self.undos.pop()()


def _restore(owner: type, name: str, ours: object, before: object) -> None:
    # Where somebody has wrapped ours since, taking it out would take theirs out too.
    if vars(owner)[name] is ours:
        setattr(owner, name, before)


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
