"""Spans on their way out: bounded, counted, redacted, and never waited for.

``span.end()`` → :class:`BoundedSpans` (admits or drops) → the SDK's batch processor (one thread) →
:class:`RedactingExporter` (in that thread) → OTLP. A collector that is away or hangs costs spans,
which are counted, and nothing else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from etter_obs.tracing.redaction import LENGTHS, Lengths, Redact, redacted

if TYPE_CHECKING:
    from etter_obs.settings import Settings

_TIMEOUT: Final = 10.0
"""Seconds a request may take, with what it is tried again, unless the settings say otherwise."""

DropCounter = Callable[[str, int], None]
"""Takes the reason (a closed vocabulary) and how many spans it cost."""


def otlp_exporter_factory(settings: Settings) -> Callable[[], SpanExporter]:
    """Return a function that makes the OTLP exporter which the settings ask for.

    The import happens here, so that what is wrong with a package shows at start; the connection is
    made by the returned function, in the process that exports: a gRPC channel does not survive a
    fork.

    Raises:
        ImportError: the exporter is not installed.
    """
    return _grpc(settings) if settings.otlp_protocol == "grpc" else _http(settings)


def _grpc(settings: Settings) -> Callable[[], SpanExporter]:
    from grpc import Compression, ssl_channel_credentials
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    zipped = settings.otlp_compression == "gzip"

    def make() -> SpanExporter:
        credentials = None
        if not settings.otlp_insecure:
            trusted = settings.otlp_certificate
            credentials = ssl_channel_credentials(trusted.read_bytes() if trusted else None)
        return OTLPSpanExporter(
            endpoint=settings.otlp_endpoint,
            insecure=settings.otlp_insecure,
            credentials=credentials,
            headers=[(name.lower(), value) for name, value in settings.otlp_headers],
            timeout=settings.otlp_timeout or _TIMEOUT,
            compression=Compression.Gzip if zipped else Compression.NoCompression,
        )

    return make


def _http(settings: Settings) -> Callable[[], SpanExporter]:
    import requests
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    zipped = settings.otlp_compression == "gzip"

    def make() -> SpanExporter:
        session = requests.Session()
        if settings.otlp_certificate is not None:
            # REQUESTS_CA_BUNDLE wins over what a session is told, not over what a request asks for.
            trusting = partial(session.request, verify=str(settings.otlp_certificate))
            session.request = trusting  # type: ignore[method-assign]  # of this one session
        return OTLPSpanExporter(
            endpoint=f"{settings.otlp_url.rstrip('/')}/v1/traces",
            headers=dict(settings.otlp_headers),
            timeout=settings.otlp_timeout or _TIMEOUT,
            compression=Compression.Gzip if zipped else Compression.NoCompression,
            session=session,
        )

    return make


class BoundedSpans(SpanProcessor):
    """Admits ``span_queue_size`` spans that are not exported yet; counts what comes on top.

    The SDK's batch processor drops the oldest span silently when its queue is full. This one stands
    before it and knows, from the exporter behind it, how many are under way.
    """

    def __init__(
        self,
        settings: Settings,
        make_exporter: Callable[[], SpanExporter],
        redact: Redact,
        dropped: DropCounter,
        lengths: Lengths = LENGTHS,
    ) -> None:
        self._capacity = settings.span_queue_size
        self._dropped = dropped
        self._lock = threading.Lock()
        self._under_way = 0
        self._closed = False
        self._exporter = RedactingExporter(make_exporter, redact, self._left, dropped, lengths)
        self._batches = BatchSpanProcessor(
            self._exporter,
            max_queue_size=settings.span_queue_size,
            schedule_delay_millis=settings.span_delay * 1000,
            max_export_batch_size=settings.span_batch_size,
        )
        os.register_at_fork(after_in_child=self._after_fork)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: a span is looked at when it ends."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, or drop and count it; it returns at once in both cases."""
        if self._closed or span.context is None or not span.context.trace_flags.sampled:
            return
        with self._lock:
            admitted = self._under_way < self._capacity
            if admitted:
                self._under_way += 1
        if admitted:
            self._batches.on_end(span)
        else:
            self._dropped("queue_full", 1)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what is queued, at most ``timeout_millis`` long (the SDK's own ignores it)."""
        return run_for(self._batches.force_flush, timeout_millis / 1000)

    def close(self, timeout: float) -> bool:
        """Export what is queued and end the thread, all within ``timeout`` seconds.

        Returns:
            True where everything was handed to the collector, False where the time ran out.
        """
        self._closed = True
        done = run_for(self._batches.shutdown, timeout)
        if not done:
            # Ends the call that hangs, and with it the SDK's thread.
            run_for(self._exporter.shutdown, 0.5)
        return done

    def _left(self, count: int) -> None:
        with self._lock:
            self._under_way -= count

    def _after_fork(self) -> None:
        # The child's queue is empty (the SDK sees to that), and a lock held at the fork stays held.
        self._lock = threading.Lock()
        self._under_way = 0
        self._exporter.after_fork()


class RedactingExporter(SpanExporter):
    """Redacts spans and hands them to the real exporter, which it makes with the first batch."""

    def __init__(
        self,
        make_exporter: Callable[[], SpanExporter],
        redact: Redact,
        left: Callable[[int], None],
        dropped: DropCounter,
        lengths: Lengths,
    ) -> None:
        self._make_exporter = make_exporter
        self._redact = redact
        self._left = left
        self._dropped = dropped
        self._lengths = lengths
        self._exporter: SpanExporter | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch; what does not arrive is counted as dropped."""
        result = SpanExportResult.FAILURE
        try:
            if self._exporter is None:
                self._exporter = self._make_exporter()
            shown = [redacted(span, self._redact, self._lengths) for span in spans]
            result = self._exporter.export(shown)
        finally:
            self._left(len(spans))
            if result is not SpanExportResult.SUCCESS:
                self._dropped("export_failed", len(spans))
        return result

    def shutdown(self) -> None:
        """Close the connection; a call under way is cancelled."""
        if self._exporter is not None:
            self._exporter.shutdown()

    def after_fork(self) -> None:
        """Forget the parent's connection."""
        self._exporter = None


def run_for(function: Callable[[], object], seconds: float) -> bool:
    """Run ``function`` in a thread of its own, wait at most ``seconds``; True where it finished.

    A function that hangs is left behind in a daemon thread, which does not hold up the exit.
    """
    thread = threading.Thread(target=function, name="etter-obs-deadline", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
