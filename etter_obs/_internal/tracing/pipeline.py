"""The pipeline of enabled tracing: the SDK's provider, its spans and their export."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.util._once import Once

from etter_obs._internal.newest_app import Newest
from etter_obs._internal.tracing.captured_headers import CapturedHeaders
from etter_obs._internal.tracing.export import BoundedSpans, DropCounter, OtlpSpans
from etter_obs._internal.tracing.ids import PresetIds
from etter_obs._internal.tracing.late_spans import LateSpans
from etter_obs._internal.tracing.redaction import LENGTHS, Lengths, SpanRedactor
from etter_obs._internal.tracing.sampling import official_sampler
from etter_obs._internal.tracing.server import ServerSpans

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

    from etter_obs._internal.redaction.redactor import Redactor
    from etter_obs._internal.settings import Settings


class Pipeline:
    """Provider, server spans, late spans and export of one app.

    Args:
        settings: sampling, queue and OTLP settings.
        resource: the resource of the spans.
        make_exporter: creates the exporter; None uses OTLP.
        redactor: removes secrets from spans.
        dropped: counts dropped spans.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        resource: Resource,
        make_exporter: Callable[[], SpanExporter] | None,
        redactor: Redactor,
        dropped: DropCounter,
    ) -> None:
        lengths = _lengths()
        ids = PresetIds()
        self.spans = BoundedSpans(
            settings,
            make_exporter or partial(OtlpSpans, settings.otlp_target("traces")),
            SpanRedactor(redactor, lengths),
            dropped,
        )
        self.provider = TracerProvider(
            sampler=official_sampler(settings.sampler, settings.sampler_ratio),
            resource=resource,
            shutdown_on_exit=False,
            id_generator=ids,
            span_limits=SpanLimits(
                max_attribute_length=lengths.taken.other,
                max_span_attribute_length=lengths.taken.span,
            ),
        )
        self.provider.add_span_processor(self.spans)
        self.server = ServerSpans(self.provider, ids, CapturedHeaders.from_environment())
        self.late = LateSpans(resource, self.spans.on_end, dropped)
        self._undo_global = install_globally(self.provider)
        self._closed = False

    def close(self, timeout: float) -> bool:
        """Export the remaining spans within ``timeout`` seconds and remove the global provider."""
        if self._closed:
            return True
        self._closed = True
        self._undo_global()
        return self.spans.close(timeout)


def _lengths() -> Lengths:
    """Return the lengths from OpenTelemetry's variables, else the defaults."""
    wanted = SpanLimits()
    other, span = wanted.max_attribute_length, wanted.max_span_attribute_length
    other = LENGTHS.other if other is None else other
    return Lengths(other if span is None else span, other)


_providers: Final[Newest[trace.TracerProvider]] = Newest()


def install_globally(provider: trace.TracerProvider) -> Callable[[], None]:
    """Make ``provider`` the global one, unless the user has set another; return the undo.

    The undo makes the provider of the newest other app global. The propagator stays unchanged: the
    default is W3C's, and any other is the user's choice.
    """
    if not _is_ours():
        return lambda: None
    forget = _providers.put(provider)
    _set_globally(provider)

    def undo() -> None:
        ours = _is_ours()
        forget()
        if ours:
            _set_globally(_providers.current)

    return undo


def _is_ours() -> bool:
    """Return whether there is no global provider, or one of our apps owns it."""
    held = trace.get_tracer_provider()
    return isinstance(held, trace.ProxyTracerProvider) or held is _providers.current


def _set_globally(provider: trace.TracerProvider | None) -> None:
    # The API cannot unset a provider; OpenTelemetry's own test utilities do the same.
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = Once()
    if provider is not None:
        trace.set_tracer_provider(provider)
