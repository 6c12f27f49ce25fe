"""Exports spans: bounded, counted, redacted, and without blocking a request.

``span.end()`` → ``BoundedSpans`` (queues or drops) → one thread → ``RedactingExporter`` → OTLP. If
the collector is down or hangs, spans are dropped and counted, and nothing else happens. The SDK's
batch processor is unsuitable: it drops silently, its flush ignores its timeout, and its shutdown
waits for a collector that is known to be down.
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
from etter_obs._internal.otlp.delivery import Delivery
from etter_obs._internal.otlp.transport import NotSent
from etter_obs._internal.tracing.otlp_wire import request
from etter_obs._internal.tracing.redaction import SpanRedactor

if TYPE_CHECKING:
    from etter_obs._internal.settings import OtlpTarget, Settings

_TIMEOUT: Final = 10.0
"""Timeout of an export with its retries, in seconds, unless the settings set another."""
_PATH: Final = "/v1/traces"
_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

_log: Final = logging.getLogger("etter_obs.tracing")

DropCounter = Callable[[str, int], None]
"""Accepts the reason (from a closed set) and the number of dropped spans."""


class OtlpSpans(SpanExporter):
    """Sends spans by OTLP.

    Args:
        target: the receiver.

    The process that exports creates it, because a gRPC channel does not survive a fork.
    """

    def __init__(self, target: OtlpTarget) -> None:
        self.delivery = Delivery(target, path=_PATH, method=_METHOD, timeout=_TIMEOUT)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans; return whether the receiver accepted them."""
        try:
            self.delivery.send(request(spans))
        except NotSent as error:
            _log.debug("spans were not sent: %s", error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the connection and cancel a running call."""
        self.delivery.close()


class BoundedSpans(SpanProcessor):
    """Accepts up to ``span_queue_size`` spans that are not exported yet; drops and counts the rest.

    Args:
        settings: sizes and delays of the queue.
        make_exporter: creates the exporter, in the thread that exports.
        redactor: removes secrets from spans.
        dropped: counts dropped spans.
    """

    def __init__(
        self,
        settings: Settings,
        make_exporter: Callable[[], SpanExporter],
        redactor: SpanRedactor,
        dropped: DropCounter,
    ) -> None:
        self._capacity = settings.span_queue_size
        self._dropped = dropped
        self._lock = threading.Lock()
        self._under_way = 0
        self._exporter = RedactingExporter(make_exporter, redactor, dropped)
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
        """Do nothing: only ended spans are processed."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, or drop and count it; never wait."""
        if span.context is None or not span.context.trace_flags.sampled:
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
        """Export the queued spans within ``timeout_millis`` (the SDK's processor ignores it).

        The call does not wait for a collector that is known to be down.
        """
        return self._worker.flush(timeout_millis / 1000, self._exporter.is_down)

    def wake(self) -> None:
        """Export the queued spans now, without waiting."""
        self._worker.wake()

    def close(self, timeout: float) -> bool:
        """Export the queued spans and end the thread, all within ``timeout`` seconds.

        The call does not wait for a collector that is known to be down. The remaining spans count
        as dropped.

        Returns:
            True if the collector accepted everything, False if the time ran out.
        """
        if self._exporter.is_down():
            self._exporter.give_up()
        done = self._worker.close(timeout, self._exporter.is_down)
        # Ends a hanging call, and with it the thread.
        self._exporter.shutdown()
        return done

    def _export(self, spans: list[ReadableSpan]) -> None:
        try:
            self._exporter.export(spans)
        finally:
            with self._lock:
                self._under_way -= len(spans)

    def _after_fork(self) -> None:
        # The worker empties the child's queue; a lock held at the fork would stay held.
        self._lock = threading.Lock()
        self._under_way = 0
        self._exporter.after_fork()


class RedactingExporter(SpanExporter):
    """Redacts spans and passes them to the real exporter, which the first batch creates.

    Args:
        make_exporter: creates the exporter.
        redactor: removes secrets from spans.
        dropped: counts dropped spans.
    """

    def __init__(
        self,
        make_exporter: Callable[[], SpanExporter],
        redactor: SpanRedactor,
        dropped: DropCounter,
    ) -> None:
        self._make_exporter = make_exporter
        self._redactor = redactor
        self._dropped = dropped
        self._exporter: SpanExporter | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch without tracing the export; count the spans as dropped if it fails."""
        result = SpanExportResult.FAILURE
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # this thread only exports
        try:
            if self._exporter is None:
                self._exporter = self._make_exporter()
            shown = [self._redactor.redacted(span) for span in spans]
            result = self._exporter.export(shown)
        except Exception as error:  # noqa: BLE001  # the thread must survive
            _log.debug("spans could not be exported", exc_info=error)
        if result is not SpanExportResult.SUCCESS:
            self._dropped("export_failed", len(spans))
        return result

    def is_down(self) -> bool:
        """Return whether the latest attempts to send failed."""
        delivery = self._delivery
        return delivery is not None and delivery.is_down

    def give_up(self) -> None:
        """Stop retrying from now on."""
        if (delivery := self._delivery) is not None:
            delivery.give_up()

    @property
    def _delivery(self) -> Delivery | None:
        """Return the delivery of our own exporter, if it exists already."""
        return getattr(self._exporter, "delivery", None)

    def shutdown(self) -> None:
        """Close the connection and cancel a running call."""
        if self._exporter is not None:
            self._exporter.shutdown()

    def after_fork(self) -> None:
        """Discard the parent's connection."""
        self._exporter = None
