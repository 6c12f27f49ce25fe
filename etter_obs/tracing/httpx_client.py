"""Outgoing requests by httpx: the trace goes on with them, and their time and failures are counted.

Spans are the official instrumentation's, made where the request being served is sampled; elsewhere
only the headers are added. Both transports of httpx are patched, as the official one does.
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


def instrument_httpx(registry: MetricsRegistry, tracing: Tracing) -> Callable[[], None]:
    """Patch httpx's transports; return the undo, whose second call does nothing.

    Where httpx is not installed nothing is done. Where the user has instrumented httpx already,
    their spans and headers stay, and only the metrics are added.

    Args:
        registry: takes the ``client_*`` metrics.
        tracing: gives the spans' provider.

    Raises:
        ImportError: tracing is on and OpenTelemetry's httpx instrumentation is not installed.
    """
    try:
        import httpx
    except ImportError:
        return lambda: None
    plain = _transport_methods(httpx)
    uninstrument = _instrument_officially(tracing) if tracing.enabled else None
    traced = _transport_methods(httpx)
    # Headers are added where nobody else adds them.
    adds_headers = uninstrument is not None or not tracing.enabled
    calls = _Calls(registry)

    def choose(which: int, request: httpx.Request) -> Any:
        if tracing.enabled and not in_unsampled_request():
            return traced[which]
        if adds_headers:
            propagate.inject(request.headers)
        return plain[which]

    def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        with _Call(calls, request) as call:
            call.response = choose(0, request)(transport, request)
        return call.response

    async def handle_async(
        transport: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> httpx.Response:
        with _Call(calls, request) as call:
            call.response = await choose(1, request)(transport, request)
        return call.response

    owners = (httpx.HTTPTransport, httpx.AsyncHTTPTransport)
    undos = [uninstrument] if uninstrument else []
    for owner, name, ours, before in zip(
        owners, _METHOD_NAMES, (handle, handle_async), traced, strict=True
    ):
        setattr(owner, name, ours)
        undos.append(partial(_restore, owner, name, ours, before))

    def undo() -> None:
        while undos:
            undos.pop()()

    return undo


def _transport_methods(httpx: Any) -> tuple[Any, Any]:
    return httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request


def _restore(owner: type, name: str, ours: object, before: object) -> None:
    # Where somebody has wrapped ours since, taking it out would take theirs out too.
    if vars(owner)[name] is ours:
        setattr(owner, name, before)


def _instrument_officially(tracing: Tracing) -> Callable[[], None] | None:
    """Return the official undo; None where the user has instrumented httpx already."""
    try:
        from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    except ImportError as error:
        raise ImportError(
            "tracing httpx needs its instrumentation: pip install 'etter-obs[httpx]'"
        ) from error
    instrumentor = HTTPXClientInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        return None
    with stable_conventions():
        instrumentor.instrument(
            tracer_provider=tracing.provider, meter_provider=NoOpMeterProvider()
        )

    def uninstrument() -> None:
        instrumentor.uninstrument()

    return uninstrument


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
