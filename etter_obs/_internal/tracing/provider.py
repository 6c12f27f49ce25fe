"""Tracing as the rest of the package sees it: decide, serve, keep, flush, close."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import Context

from etter_obs._internal.conventions import TELEMETRY_DROPPED, KeptBecause, SpanAttribute
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
    from starlette.types import ASGIApp, Receive, Scope, Send

    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.redaction.redactor import Redactor
    from etter_obs._internal.settings import Settings
    from etter_obs._internal.tracing.pipeline import Pipeline
    from etter_obs._internal.tracing.server import Endpoint

_SIGNAL: Final = "span"


class Tracing:
    """Traces of one app.

    Where ``settings.apm_enabled`` is false it makes ids for the logs, hands a caller's trace on to
    what the app calls, and loads neither the SDK nor an exporter. The same holds, with a warning,
    where the packages of traces are not usable.

    Args:
        settings: the environment's wishes: endpoint, protocol, sampler.
        service: ``service.name``.
        environment: ``deployment.environment.name``.
        version: ``service.version``, where it is known.
        registry: takes the count of dropped spans.
        redactor: hides secrets in spans, in the exporter's thread.
        endpoint: tells a scope's route template once it is routed; None where no route matched.
        make_exporter: makes the exporter, in the process and thread that export; default: OTLP.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        service: str,
        environment: str,
        registry: MetricsRegistry,
        redactor: Redactor,
        endpoint: Endpoint,
        version: str | None = None,
        make_exporter: Callable[[], SpanExporter] | None = None,
    ) -> None:
        pipeline: Pipeline | None = None
        if settings.apm_enabled:
            dropped = registry.counter(TELEMETRY_DROPPED)

            def make_pipeline() -> Pipeline:
                from etter_obs._internal.otlp.resource import (
                    resource_of,
                )  # loads the SDK, as does the next
                from etter_obs._internal.tracing.pipeline import Pipeline

                return Pipeline(
                    settings,
                    resource=_resource_of_the_app() or resource_of(service, environment, version),
                    make_exporter=make_exporter,
                    redact=redactor.value,
                    dropped=lambda reason, spans: dropped.child(_SIGNAL, reason).inc(spans),
                    endpoint=endpoint,
                )

            pipeline = TRACES[settings.otlp_target("traces").protocol].attempt(make_pipeline)
        self.enabled = pipeline is not None
        sampler = settings.sampler if self.enabled else "always_off"
        head = HeadSampler(sampler, settings.sampler_ratio)
        self.decide = decider(head)
        """Return the :class:`Decision` for a request with these headers (ASGI's pairs of bytes)."""
        self.carriers = carriers()
        """Names of the headers that may hold a caller's trace; without them ``begin`` decides."""
        self.untraced = None if self.enabled else UNTRACED
        """What stands for the decision on such a request where nothing is traced."""
        self.is_excluded = excluded(settings.excluded_urls) if self.enabled else None
        """Whether a request is one of those that are never traced; None where none is."""
        self.unsampled = HeadSampler("always_off", 0.0).begin
        """Return the :class:`Decision` for a request that is never traced."""
        self.begin = head.begin
        """Return the :class:`Decision` for a request that brings no trace."""
        self._is_global = False
        if pipeline is None:
            self.provider: trace.TracerProvider = trace.NoOpTracerProvider()
            return
        self._pipeline = pipeline
        self.provider = self._pipeline.provider
        self._is_global = trace.get_tracer_provider() is self.provider

    def adopt(self, app: object) -> Callable[[], None]:
        """Take the place of the spans that FastAPI would make of ``app``; return the undo."""
        return silence_native_spans(app) if self._is_global else lambda: None

    def settle(self, stack: object) -> Callable[[], None]:
        """Arrange with OpenTelemetry's own middleware in the app's stack; return the undo."""
        return settle(stack, tracing=self.enabled)

    def excluded(self) -> Decision:
        """Return the decision for a request that is never traced, not even where it fails."""
        made = self.unsampled()
        return ExcludedDecision(made.trace_id, made.span_id, sampled=False)

    def attach(self, decision: Decision, scope: Scope) -> Token[Context] | None:
        """Let what an unsampled request calls carry its trace context and baggage.

        Give the returned token to :meth:`detach` when the request is over.
        """
        if self._is_global:
            scope.setdefault(SCOPE_KEY, None)
        if self.enabled:
            return attach(decision, UnsampledSpan(decision))
        if decision.brings_nothing:
            return None  # there is nothing to carry, and somebody else's context stays
        return attach(decision, CallersSpan(decision) if decision.parent_id else None)

    def detach(self, token: Token[Context] | None) -> None:
        """Restore the context that :meth:`attach` replaced."""
        if token is not None:
            detach(token)

    async def serve(
        self,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        decision: Decision,
        request_id: str,
    ) -> None:
        """Call ``app`` for a sampled request, inside the official ASGI instrumentation."""
        if self._is_global:
            scope.setdefault(SCOPE_KEY, None)
        await self._pipeline.server.serve(app, scope, receive, send, decision, request_id)

    def forget(self) -> None:
        """Do not send the span of the request that is being served."""
        trace.get_current_span().set_attribute(SpanAttribute.PROBE, True)

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
        """Make the span of an unsampled request that is over, under its own trace id.

        Times are Unix time in nanoseconds. Returns False where tracing is off or too many such
        spans were made just now: then nothing may link to the trace.
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
        """Export what is queued; False where ``timeout`` seconds did not suffice."""
        return not self.enabled or self._pipeline.spans.force_flush(int(timeout * 1000))

    def wake(self) -> None:
        """Begin at once to export what is queued."""
        if self.enabled:
            self._pipeline.spans.wake()

    def close(self, timeout: float) -> bool:
        """Export what is queued within ``timeout`` seconds and undo what was done globally.

        A second call does nothing. Returns whether everything was exported.
        """
        return not self.enabled or self._pipeline.close(timeout)


def _resource_of_the_app() -> Resource | None:
    """Return the resource of the global provider that the app has set: one service has one name."""
    found: Resource | None = getattr(trace.get_tracer_provider(), "resource", None)
    return found
