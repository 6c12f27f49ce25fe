"""The log pipeline: lines are queued by callers, then rendered, written and sent by one writer."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import get_current
from opentelemetry.trace import get_current_span

from etter_obs._internal import conventions
from etter_obs._internal.batch_worker import BatchWorker
from etter_obs._internal.context import RequestContext, current_request
from etter_obs._internal.conventions import log_fields
from etter_obs._internal.logs import capture, line_watchers, stdlib, structlog_loggers
from etter_obs._internal.logs.fast_render import FastRenderer
from etter_obs._internal.logs.fields import ACCESS
from etter_obs._internal.logs.record import Entry, Site, SpanIds, exception_of
from etter_obs._internal.logs.render import Line, Renderer
from etter_obs._internal.logs.sink import StreamSink, TextStream
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.optional_dependencies import OTLP_LOGS
from etter_obs._internal.process_exit import before_exit
from etter_obs._internal.redaction.plain_values import cut, plain, plain_fields
from etter_obs._internal.redaction.redactor import Redactor
from etter_obs._internal.settings import Settings

if TYPE_CHECKING:
    from etter_obs._internal.logs.otlp import LogShipper

_BATCH: Final = 64
"""Lines that the writer renders before other threads run: one to two milliseconds."""
_LINGER: Final = 0.1
"""Seconds between two polls under load; the first line after a pause is written at once."""
_SERVER_ERROR: Final = 500
_LOCAL_LOGGERS: Final = frozenset({"opentelemetry", "grpc", "urllib3", "requests", "sentry_sdk"})
"""Packages that send lines: their own lines are not sent, or they would cause further lines."""
_SIGNAL: Final = "log"


class LogPipeline:
    """Take lines from logging, structlog and the middleware, and write them as JSON.

    No method raises. Only ``flush`` and ``close`` wait.

    Args:
        settings: Level, limits and OTLP settings.
        service: Name of the service, on every line.
        environment: Deployment environment, on every line.
        registry: Counts lines and drops.
        stream: The destination of lines; default: standard output of the process.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        environment: str,
        registry: MetricsRegistry,
        stream: TextStream | None = None,
    ) -> None:
        self.redactor = Redactor(settings.redact_names, settings.redact_pattern)
        self._settings = settings
        self._service, self._environment = service, environment
        self._limit = settings.log_max_bytes * 2
        self.level = settings.log_level
        """Name of the lowest level that is written."""
        self.threshold = logging.getLevelNamesMapping()[self.level]
        """The same level as a number."""
        self._renderer = FastRenderer(
            Renderer(service, environment, self.redactor, settings.log_max_bytes)
        )
        self._sink = StreamSink(stream if stream is not None else sys.stdout)
        self._lines = registry.counter(conventions.LOG_LINES)
        self._drops = registry.counter(conventions.TELEMETRY_DROPPED)
        self.dropped = 0
        """Lines that the queue refused or that could not be written, since the start."""
        self._reported = 0
        self._access_site: tuple[CodeType, int] | None = None
        self.watchers: list[Callable[[bytes], None]] = []
        """Called with each line of this pipeline as it is written, on the writer's thread."""
        self._undos: list[Callable[[], None]] = []
        self._writer: BatchWorker[Entry] = BatchWorker(
            "etter-obs-logs",
            capacity=settings.log_queue_size,
            batch=_BATCH,
            linger=_LINGER,
            handle=self._write,
            dropped=lambda count: self._count_dropped("queue_full", count),
        )
        for reason in ("queue_full", "write_failed"):
            self._drops.prime(_SIGNAL, reason)
        waiting = registry.gauge(conventions.LOG_QUEUE).child()
        self._unwatch = registry.on_scrape(lambda: waiting.set(len(self._writer)))
        self._shipper: LogShipper | None = None

    def install(self) -> Callable[[], None]:
        """Capture logging, structlog and loguru in this pipeline.

        Returns the undo, which restores the original state. Installing twice changes nothing.
        """
        if not self._undos:
            self._undos.append(capture.install(self))
            line_watchers.living.add(self)
            deadline = self._settings.shutdown_deadline
            self._undos.append(before_exit(lambda: self.close(deadline)))
            if self._settings.apm_enabled and self._settings.otlp_logs_enabled:
                # Only now, so that a warning about a missing package is captured as well.
                part = OTLP_LOGS[self._settings.otlp_target("logs").protocol]
                self._shipper = part.attempt(self._make_shipper)
        return self._uninstall

    def access(self, fields: dict[str, Any]) -> None:
        """Queue the access line of a finished request.

        ``fields`` is created by the caller for this line and not changed afterwards; its keys are
        constants of ``log_fields`` and its values are plain.
        """
        failed = fields.get(log_fields.STATUS_CODE, 0) >= _SERVER_ERROR
        if not failed and self.threshold > logging.INFO:
            return
        site = self._access_site
        if site is None:
            frame = sys._getframe(1)
            site = self._access_site = (frame.f_code, frame.f_lineno)
        self._writer.put(
            (
                time.time_ns(),
                "ERROR" if failed else "INFO",
                ACCESS,
                "Request failed" if failed else "Request completed",
                site,
                None,
                None,
                fields,
                None,
                False,
            )
        )

    def detect_config_changes(self) -> None:
        """Capture what was imported since ``install``, and report changes of the configuration."""
        capture.detect_config_changes()

    def queued(self) -> int:
        """Return the number of lines that wait for the writer."""
        return len(self._writer)

    def wake(self) -> None:
        """Start to write and send the waiting lines now."""
        self._writer.wake()
        if self._shipper is not None:
            self._shipper.wake()

    def flush(self, deadline: float, *, send: bool = True) -> bool:
        """Wait until every earlier line is written and sent.

        Args:
            deadline: Timeout in seconds.
            send: If false, wait only for standard output.

        Returns:
            Whether every line was written, and sent unless ``send`` is false.
        """
        end = time.monotonic() + deadline
        done = self._writer.flush(deadline)
        if send and self._shipper is not None:
            done = self._shipper.flush(max(0.0, end - time.monotonic())) and done
        return done

    def close(self, deadline: float) -> bool:
        """Undo ``install``, write and send the waiting lines within ``deadline`` seconds, and stop.

        Returns whether everything was written and sent; the rest counts as dropped.
        """
        self._uninstall()
        self._unwatch()
        end = time.monotonic() + deadline
        done = self._writer.close(deadline)
        if self._shipper is not None:
            done = self._shipper.close(max(0.0, end - time.monotonic())) and done
        return done

    def _uninstall(self) -> None:
        line_watchers.living.discard(self)
        while self._undos:
            self._undos.pop()()

    # -- on the caller's thread -------------------------------------------------------------------

    def take_record(self, record: logging.LogRecord) -> None:
        """Queue a record of the logging module."""
        if record.levelno < self.threshold:
            return
        request = current_request.get()
        self._writer.put(
            (
                int(record.created * 1e9),
                record.levelname,
                record.name,
                cut(stdlib.message_of(record), self._limit),
                stdlib.site_of(record),
                request,
                None if request is not None and not request.sampled else _open_span(),
                self._with_context(request, stdlib.fields_of(record, self._limit)),
                exception_of(stdlib.exception_in(record), self._limit),
                record.name.partition(".")[0] in _LOCAL_LOGGERS or self._on_own_thread(),
            )
        )

    def take_event(
        self,
        level: str,
        logger: str,
        message: Any,
        fields: dict[str, Any],
        site: Site | tuple[CodeType, int],
    ) -> None:
        """Queue a line of structlog or loguru.

        Args:
            level: Name of the level.
            logger: Name of the logger.
            message: The message.
            fields: The fields, which may contain ``exc_info``; the pipeline owns them from now on.
            site: Where the line was logged.
        """
        if type(message) is not str or len(message) > self._limit:
            message = "" if message is None else cut(str(plain(message, self._limit)), self._limit)
        info = fields.pop("exc_info", None) if "exc_info" in fields else None
        request = current_request.get()
        if request is not None and request.bound:
            fields = {**request.bound, **fields}
        self._writer.put(
            (
                time.time_ns(),
                level,
                logger,
                message,
                site,
                request,
                None if request is not None and not request.sampled else _open_span(),
                plain_fields(fields, self._limit),
                exception_of(info, self._limit) if info else None,
                False,
            )
        )

    def _with_context(
        self, request: RequestContext | None, fields: dict[str, Any]
    ) -> dict[str, Any]:
        """Add the fields bound to the request or the context; the caller's fields win."""
        if request is not None and request.bound:
            fields = request.bound | fields
        bound = structlog_loggers.bound_variables()
        return plain_fields(bound, self._limit) | fields if bound else fields

    def _make_shipper(self) -> LogShipper:
        from etter_obs._internal.logs.otlp import LogShipper  # imports the SDK

        for reason in ("otlp_queue_full", "otlp_failed"):
            self._drops.prime(_SIGNAL, reason)
        return LogShipper(self._settings, self._service, self._environment, self._count)

    def _on_own_thread(self) -> bool:
        shipper = self._shipper
        return self._writer.is_current_thread() or (
            shipper is not None and shipper.is_current_thread()
        )

    def _count_dropped(self, reason: str, count: int) -> None:
        self.dropped += count
        self._count(reason, count)

    def _count(self, reason: str, count: int) -> None:
        self._drops.child(_SIGNAL, reason).inc(count)

    # -- on the writer's thread -------------------------------------------------------------------

    def _write(self, entries: list[Entry]) -> None:
        if self.dropped > self._reported:
            entries.append(self._notice_of_drops())
        lines = []
        shipper, watchers = self._shipper, (*line_watchers.watchers, *self.watchers)
        for entry in entries:
            data, fixed, fields = self._render(entry)
            lines.append(data)
            for watcher in watchers:
                watcher(data)
            if shipper is not None and not entry[9]:
                shipper.offer(entry[0], fixed, fields)
        try:
            self._sink.write(b"".join(lines))
        except (OSError, ValueError):  # the reader is gone, or the stream is closed
            self._count_dropped("write_failed", len(entries))
            self._reported = self.dropped  # no output is left for a report
            return
        for level, count in Counter([entry[1] for entry in entries]).items():
            self._lines.child(level).inc(count)

    def _render(self, entry: Entry) -> Line:
        try:
            return self._renderer.render(entry)
        except Exception as error:  # noqa: BLE001  # one bad line must not lose the lines behind it
            fields = {log_fields.ERROR_TYPE: type(error).__name__}
            return self._renderer.render(
                (*entry[:3], "A log line cannot be rendered", *entry[4:7], fields, None, True)
            )

    def _notice_of_drops(self) -> Entry:
        count, self._reported = self.dropped - self._reported, self.dropped
        return (
            time.time_ns(),
            "WARNING",
            __name__,
            "Log lines were dropped because the queue was full",
            Site(__file__, "_write", 0),
            None,
            None,
            {log_fields.COUNT: count},
            None,
            False,
        )


def _open_span() -> SpanIds | None:
    """Return the ids of the open span. A request that is not sampled has none."""
    if not get_current():  # detects an empty context in a fifth of the time
        return None
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return SpanIds(context.trace_id, context.span_id, context.trace_flags.sampled)
