"""Spans on their way out: bounded, counted, redacted, and never waited for.

``span.end()`` → :class:`BoundedSpans` (admits or drops, queues) → one thread →
:class:`RedactingExporter` → OTLP. A collector that is away or hangs costs spans, which are counted,
and nothing else. The SDK's batch processor does not fit: it drops without telling, its flush
ignores its timeout, and its end waits for a collector that is known to be down.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, attach, set_value
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from etter_obs._internal.batch_worker import BatchWorker
from etter_obs._internal.conventions import SpanAttribute
from etter_obs._internal.otlp.delivery import Delivery
from etter_obs._internal.otlp.resource import INSTANCE_ID, id_now
from etter_obs._internal.otlp.transport import NotSent
from etter_obs._internal.tracing.redaction import LENGTHS, Lengths, Redact, redacted

if TYPE_CHECKING:
    from etter_obs._internal.settings import Settings

_TIMEOUT: Final = 10.0
"""Seconds a request may take, with what it is tried again, unless the settings say otherwise."""
_PATH: Final = "/v1/traces"
_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

_log: Final = logging.getLogger("etter_obs.tracing")

DropCounter = Callable[[str, int], None]
"""Takes the reason (a closed vocabulary) and how many spans it cost."""


def otlp_exporter_factory(settings: Settings) -> Callable[[], SpanExporter]:
    """Return a function that makes the OTLP exporter which the settings ask for.

    The imports happen here, so that what is wrong with a package shows at start; the connection is
    made in the process that exports: a gRPC channel does not survive a fork.

    Raises:
        ImportError: the encoder is not installed.
    """
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    target = settings.otlp_target("traces")

    class OtlpSpans(SpanExporter):
        """Sends spans by OTLP, in the official encoding."""

        def __init__(self) -> None:
            self.delivery = Delivery(target, path=_PATH, method=_METHOD, timeout=_TIMEOUT)

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            request = encode_spans(spans)
            for group in request.resource_spans:
                for attribute in group.resource.attributes:
                    if attribute.key == INSTANCE_ID:
                        attribute.value.string_value = id_now(attribute.value.string_value)
            try:
                self.delivery.send(request.SerializeToString())
            except NotSent as error:
                _log.debug("spans were not sent: %s", error)
                return SpanExportResult.FAILURE
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            self.delivery.close()

    return OtlpSpans


class BoundedSpans(SpanProcessor):
    """Admits ``span_queue_size`` spans that are not exported yet; counts what comes on top."""

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
        self._exporter = RedactingExporter(make_exporter, redact, dropped, lengths)
        self._worker: BatchWorker[ReadableSpan] = BatchWorker(
            "etter-obs-spans",
            capacity=settings.span_queue_size,
            batch=settings.span_batch_size,
            linger=settings.span_delay,
            handle=self._export,
            dropped=lambda count: dropped("queue_full", count),
            forked=self._after_fork,
            gathers=True,
        )

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: a span is looked at when it ends."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, or drop and count it; it returns at once in both cases."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if span.attributes and SpanAttribute.PROBE in span.attributes:
            return
        with self._lock:
            admitted = self._under_way < self._capacity
            if admitted:
                self._under_way += 1
        if admitted:
            self._worker.put(span)
        else:
            self._dropped("queue_full", 1)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what is queued, at most ``timeout_millis`` long (the SDK's own ignores it).

        Nobody waits for a collector that is known to be down.
        """
        return self._worker.flush(timeout_millis / 1000, self._exporter.is_down)

    def wake(self) -> None:
        """Begin at once to export what waits."""
        self._worker.wake()

    def close(self, timeout: float) -> bool:
        """Export what is queued and end the thread, all within ``timeout`` seconds.

        Nobody waits for a collector that is known to be down. What is left is counted as dropped.

        Returns:
            True where everything was handed to the collector, False where the time ran out.
        """
        if self._exporter.is_down():
            self._exporter.give_up()
        done = self._worker.close(timeout, self._exporter.is_down)
        # Ends a call that hangs, and with it the thread.
        self._exporter.shutdown()
        return done

    def _export(self, spans: list[ReadableSpan]) -> None:
        try:
            self._exporter.export(spans)
        finally:
            with self._lock:
                self._under_way -= len(spans)

    def _after_fork(self) -> None:
        # The child's queue is empty (the worker sees to that); a lock held at the fork stays held.
        self._lock = threading.Lock()
        self._under_way = 0
        self._exporter.after_fork()


class RedactingExporter(SpanExporter):
    """Redacts spans and hands them to the real exporter, which it makes with the first batch."""

    def __init__(
        self,
        make_exporter: Callable[[], SpanExporter],
        redact: Redact,
        dropped: DropCounter,
        lengths: Lengths,
    ) -> None:
        self._make_exporter = make_exporter
        self._redact = redact
        self._dropped = dropped
        self._lengths = lengths
        self._exporter: SpanExporter | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch, itself untraced; what does not arrive is counted as dropped."""
        result = SpanExportResult.FAILURE
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # the thread does nothing else
        try:
            if self._exporter is None:
                self._exporter = self._make_exporter()
            shown = [redacted(span, self._redact, self._lengths) for span in spans]
            result = self._exporter.export(shown)
        except Exception as error:  # noqa: BLE001  # the thread must live on
            _log.debug("spans could not be exported", exc_info=error)
        if result is not SpanExportResult.SUCCESS:
            self._dropped("export_failed", len(spans))
        return result

    def is_down(self) -> bool:
        """Return whether the newest attempt to send something failed."""
        delivery = self._delivery
        return delivery is not None and delivery.is_down

    def give_up(self) -> None:
        """Try nothing a second time from now on."""
        if (delivery := self._delivery) is not None:
            delivery.give_up()

    @property
    def _delivery(self) -> Delivery | None:
        """What carries the spans, where the exporter is ours and has been made."""
        return getattr(self._exporter, "delivery", None)

    def shutdown(self) -> None:
        """Close the connection; a call under way is cancelled."""
        if self._exporter is not None:
            self._exporter.shutdown()

    def after_fork(self) -> None:
        """Forget the parent's connection."""
        self._exporter = None
