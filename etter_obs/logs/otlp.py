"""Sends rendered lines to an OTLP receiver, by OpenTelemetry's own exporters.

The writer prepares what is sent, from the same redacted fields that it wrote; a thread of its own
only carries it, since a receiver that accepts and never answers must not hold up standard output.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import TraceFlags

from etter_obs.conventions import LogField
from etter_obs.settings import Settings
from etter_obs.worker import BackgroundWorker

_QUEUE: Final = 4096
_BATCH: Final = 512
_LINGER: Final = 0.5
_TIMEOUT: Final = 5.0
"""Seconds an export may take, retries included."""

_SEVERITIES: Final = {
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "WARNING": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
    "CRITICAL": SeverityNumber.FATAL,
}
_ELSEWHERE: Final = frozenset(
    field.value
    for field in (
        LogField.TIMESTAMP,
        LogField.LEVEL,
        LogField.MESSAGE,
        LogField.EXCEPTION,
        LogField.TRACE_ID,
        LogField.SPAN_ID,
        LogField.SERVICE,
        LogField.ENVIRONMENT,
    )
)
"""Fields that have a place of their own in OTLP; all others become attributes."""


class LogShipper:
    """Queues prepared records and exports them from one thread, bounded in number and time.

    Args:
        settings: endpoint, protocol and the service's version.
        service: ``service.name`` of every record's resource.
        environment: ``deployment.environment.name`` of the same.
        dropped: told a reason and how many records did not leave.

    The connection is made with the first batch, in the process that sends it: a gRPC channel does
    not survive a fork.

    Raises:
        ImportError: the exporter is not installed; the message has the line that installs it.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        environment: str,
        dropped: Callable[[str, int], None],
    ) -> None:
        self._make_exporter = _exporter_factory(settings)
        attributes = {"service.name": service, "deployment.environment.name": environment}
        if settings.service_version is not None:
            attributes["service.version"] = settings.service_version
        self._resource = Resource.create(attributes)
        self._dropped = dropped
        self._scope = InstrumentationScope("etter_obs.logs")
        self._exporter: LogRecordExporter | None = None
        self._worker: BackgroundWorker[ReadableLogRecord] = BackgroundWorker(
            "etter-obs-otlp-logs",
            capacity=_QUEUE,
            batch=_BATCH,
            linger=_LINGER,
            handle=self._export,
            dropped=lambda count: dropped("otlp_queue_full", count),
            forked=self._forget_exporter,
        )

    def offer(self, time_ns: int, fields: dict[str, Any]) -> None:
        """Queue the record of a line that was rendered from ``fields``; never waits."""
        self._worker.put(self._record(time_ns, fields))

    def is_current_thread(self) -> bool:
        """Tell whether the caller runs on the exporting thread."""
        return self._worker.is_current_thread()

    def flush(self, deadline: float) -> bool:
        """Export what waits, at most ``deadline`` seconds; returns whether all of it left."""
        return self._worker.flush(deadline)

    def close(self, deadline: float) -> bool:
        """Export what waits within ``deadline`` seconds, then cancel what is under way."""
        done = self._worker.close(deadline)
        if self._exporter is not None:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
        return done

    def _record(self, time_ns: int, fields: dict[str, Any]) -> ReadableLogRecord:
        body = fields[LogField.MESSAGE.value]
        stack = fields.get(LogField.EXCEPTION.value)
        level = fields[LogField.LEVEL.value]
        record = LogRecord(
            timestamp=time_ns,
            observed_timestamp=time.time_ns(),
            context=Context(),
            severity_text=level,
            severity_number=_SEVERITIES.get(level, SeverityNumber.UNSPECIFIED),
            # A stack may be longer than what Loki takes as structured metadata (64 KB a line).
            body=f"{body}\n{stack}" if stack else body,
            attributes={
                key: _attribute(value)
                for key, value in fields.items()
                if value is not None and key not in _ELSEWHERE
            },
        )
        trace_id, span_id = fields[LogField.TRACE_ID.value], fields[LogField.SPAN_ID.value]
        if trace_id and span_id:
            record.trace_id = int(trace_id, 16)
            record.span_id = int(span_id, 16)
            sampled = fields[LogField.TRACE_SAMPLED.value]
            record.trace_flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        return ReadableLogRecord(record, self._resource, self._scope)

    def _export(self, batch: list[ReadableLogRecord]) -> None:
        result = LogRecordExportResult.FAILURE
        try:
            if self._exporter is None:
                self._exporter = self._make_exporter()
            result = self._exporter.export(batch)
        except Exception:  # noqa: BLE001, S110  # counted below; a line about it would follow it
            pass
        if result is not LogRecordExportResult.SUCCESS:
            self._dropped("otlp_failed", len(batch))

    def _forget_exporter(self) -> None:
        self._exporter = None


def _attribute(value: Any) -> Any:
    """Return ``value`` as OTLP's AnyValue can hold it: whole numbers have 64 bits there."""
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, dict):
        return {key: _attribute(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_attribute(item) for item in value]
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _exporter_factory(settings: Settings) -> Callable[[], LogRecordExporter]:
    endpoint, insecure = settings.otlp_endpoint, settings.otlp_insecure
    try:
        if settings.otlp_protocol == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc._log_exporter import (
                OTLPLogExporter as GrpcExporter,
            )

            return lambda: GrpcExporter(endpoint=endpoint, insecure=insecure, timeout=_TIMEOUT)
        from opentelemetry.exporter.otlp.proto.http._log_exporter import (
            OTLPLogExporter as HttpExporter,
        )
    except ImportError as error:
        raise ImportError(
            'OTLP logs need the exporter: pip install "etter-obs[otlp]" '
            "(or set ETTER_OBS_OTLP_LOGS_ENABLED=false)"
        ) from error
    base = endpoint if "://" in endpoint else f"http://{endpoint}"
    return lambda: HttpExporter(endpoint=f"{base.rstrip('/')}/v1/logs", timeout=_TIMEOUT)
