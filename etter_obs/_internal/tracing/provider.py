"""The interface of tracing: decide, serve, keep, flush, close."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import Context

from etter_obs._internal.conventions import TELEMETRY_DROPPED, KeptBecause
from etter_obs._internal.optional_dependencies import TRACES
from etter_obs._internal.tracing.fastapi_instrumentor import settle
from etter_obs._internal.tracing.fastapi_native import SCOPE_KEY, silence_native_spans
from etter_obs._internal.tracing.propagation import (
    CallersSpan,
    UnsampledSpan,
    attach,
    carriers,
    decider,
    detach,
)
from etter_obs._internal.tracing.sampling import (
    UNTRACED,
    Decision,
    ExcludedDecision,
    HeadSampler,
    excluded,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter
    from starlette.types import Scope, Send

    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.redaction.redactor import Redactor
    from etter_obs._internal.settings import Settings
    from etter_obs._internal.tracing.pipeline import Pipeline

_SIGNAL: Final = "span"
_REASONS: Final = ("queue_full", "export_failed", "late_rate")
"""Why spans are dropped."""


class Tracing:
    """Traces of one app.

    If ``settings.apm_enabled`` is false, it creates ids for the logs, passes a caller's trace on to
    outgoing calls, and loads neither the SDK nor an exporter. The same applies, with a warning, if
    the packages for traces are unusable.

    Args:
        settings: endpoint, protocol and sampler.
        service: ``service.name``.
        environment: ``deployment.environment.name``.
        registry: counts dropped spans.
        redactor: removes secrets from spans, in the exporter's thread.
        version: ``service.version``, if known.
        make_exporter: creates the exporter, in the process and thread that export; default: OTLP.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        service: str,
        environment: str,
        registry: MetricsRegistry,
        redactor: Redactor,
        version: str | None = None,
        make_exporter: Callable[[], SpanExporter] | None = None,
    ) -> None:
        pipeline: Pipeline | None = None
        if settings.apm_enabled:
            dropped = registry.counter(TELEMETRY_DROPPED)

            def make_pipeline() -> Pipeline:
                from etter_obs._internal.otlp.resource import (
                    resource_of,
                )  # loads the SDK, as the next import does
                from etter_obs._internal.tracing.pipeline import Pipeline

                return Pipeline(
                    settings,
                    resource=_resource_of_the_app() or resource_of(service, environment, version),
                    make_exporter=make_exporter,
                    redactor=redactor,
                    dropped=lambda reason, spans: dropped.child(_SIGNAL, reason).inc(spans),
                )

            pipeline = TRACES[settings.otlp_target("traces").protocol].attempt(make_pipeline)
            if pipeline is not None:
                for reason in _REASONS:
                    dropped.prime(_SIGNAL, reason)
        self.enabled = pipeline is not None
        sampler = settings.sampler if self.enabled else "always_off"
        head = HeadSampler(sampler, settings.sampler_ratio)
        self.decide = decider(head)
        """Return the ``Decision`` for a request with these headers (ASGI's pairs of bytes)."""
        self.carriers = carriers()
        """Names of the headers that may carry a caller's trace; without them ``begin`` decides."""
        self.untraced = None if self.enabled else UNTRACED
        """The decision for a request without a caller's trace if tracing is off."""
        self.is_excluded = excluded(settings.excluded_urls) if self.enabled else None
        """Return whether a request is never traced; None if all requests may be traced."""
        self.unsampled = HeadSampler("always_off", 0.0).begin
        """Return the ``Decision`` for a request that is never traced."""
        self.begin = head.begin
        """Return the ``Decision`` for a request without a caller's trace."""
        self._is_global = False
        if pipeline is None:
            self.provider: trace.TracerProvider = trace.NoOpTracerProvider()
            return
        self._pipeline = pipeline
        self.provider = self._pipeline.provider
        self._is_global = trace.get_tracer_provider() is self.provider

    def adopt(self, app: object) -> Callable[[], None]:
        """Replace the spans that FastAPI would create for ``app``; return the undo."""
        return silence_native_spans(app) if self._is_global else lambda: None

    def settle(self, stack: object) -> Callable[[], None]:
        """Adapt OpenTelemetry's own middleware in the app's stack; return the undo."""
        return settle(stack, tracing=self.enabled)

    def excluded(self) -> Decision:
        """Return the decision for a request that is never traced, even if it fails."""
        made = self.unsampled()
        return ExcludedDecision(made.trace_id, made.span_id, sampled=False)

    def attach(self, decision: Decision, scope: Scope) -> Token[Context] | None:
        """Make outgoing calls of an unsampled request carry its trace context and baggage.

        Pass the returned token to ``detach()`` when the request has ended.
        """
        if self._is_global:
            scope.setdefault(SCOPE_KEY, None)
        if self.enabled:
            return attach(decision, UnsampledSpan(decision))
        if decision.brings_nothing:
            return None  # nothing to carry, so the existing context stays
        return attach(decision, CallersSpan(decision) if decision.parent_id else None)

    def detach(self, token: Token[Context] | None) -> None:
        """Restore the context that ``attach()`` or ``start()`` replaced."""
        if token is not None:
            detach(token)

    def start(
        self, decision: Decision, scope: Scope, request_id: str
    ) -> tuple[trace.Span | None, Token[Context]]:
        """Start the span of a sampled request and make it current.

        Args:
            decision: the request's ids.
            scope: the request's ASGI scope.
            request_id: the request's id, for the span.

        Returns:
            The span, if it could start, and the token for ``detach()``.
        """
        if self._is_global:
            scope.setdefault(SCOPE_KEY, None)
        return self._pipeline.server.start(decision, scope, request_id)

    def sender(self, span: trace.Span | None, send: Send) -> Send:
        """Return ``send``, extended to add the wanted headers of the response to ``span``."""
        return send if span is None else self._pipeline.server.sender(span, send)

    def end(
        self,
        span: trace.Span,
        scope: Scope,
        *,
        route: str | None,
        status: int | None,
        exception: BaseException | None,
    ) -> None:
        """End the span of a request.

        Args:
            span: the span from ``start()``.
            scope: the request's ASGI scope.
            route: the route template; None if no route matched.
            status: the HTTP status; None for a WebSocket.
            exception: the exception that ended the request, if any.
        """
        self._pipeline.server.end(span, scope, route=route, status=status, exception=exception)

    def keep(
        self,
        decision: Decision,
        scope: Scope,
        *,
        request_id: str,
        endpoint: str | None,
        start_ns: int,
        end_ns: int,
        status: int | None,
        exception: BaseException | None,
        reason: KeptBecause,
    ) -> bool:
        """Create the span of a finished unsampled request, under its own trace id.

        Args:
            decision: the request's ids.
            scope: the request's ASGI scope.
            request_id: the request's id.
            endpoint: the route template; None if no route matched.
            start_ns: start, in nanoseconds of Unix time.
            end_ns: end, in nanoseconds of Unix time.
            status: the HTTP status; None for a WebSocket.
            exception: the exception that ended the request, if any.
            reason: why the span is kept.

        Returns:
            False if tracing is off or the rate limit is exceeded; then nothing may link to the
            trace.
        """
        if not self.enabled or isinstance(decision, ExcludedDecision):
            return False
        return self._pipeline.late.keep(
            decision,
            scope,
            request_id=request_id,
            endpoint=endpoint,
            start_ns=start_ns,
            end_ns=end_ns,
            status=status,
            exception=exception,
            reason=reason,
        )

    def flush(self, timeout: float) -> bool:
        """Export the queued spans; return False if ``timeout`` seconds were not enough."""
        return not self.enabled or self._pipeline.spans.force_flush(int(timeout * 1000))

    def wake(self) -> None:
        """Export the queued spans now, without waiting."""
        if self.enabled:
            self._pipeline.spans.wake()

    def close(self, timeout: float) -> bool:
        """Export the queued spans within ``timeout`` seconds and undo the global changes.

        A second call does nothing. Returns whether everything was exported.
        """
        return not self.enabled or self._pipeline.close(timeout)


def _resource_of_the_app() -> Resource | None:
    """Return the resource of the app's own global provider, so that the service has one name."""
    found: Resource | None = getattr(trace.get_tracer_provider(), "resource", None)
    return found
