"""Sends errors to Sentry, explicitly and on a thread of its own.

Sentry's SDK provides envelopes, rate limits and retries, through a client of our own. Its
integrations patch nothing, no global client or propagator is set, and an app that calls
``sentry_sdk.init`` itself is not affected.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from etter_obs._internal import conventions
from etter_obs._internal.batch_worker import BatchWorker
from etter_obs._internal.context import RequestContext, current_request
from etter_obs._internal.conventions import log_fields
from etter_obs._internal.errors.exception_record import Raised, as_sentry, chain_of
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.optional_dependencies import ERROR_REPORTS
from etter_obs._internal.redaction.plain_values import plain_fields
from etter_obs._internal.redaction.redactor import Redactor
from etter_obs._internal.settings import Settings

if TYPE_CHECKING:
    import sentry_sdk
    from sentry_sdk.types import Event

_QUEUE: Final = 100
_LINGER: Final = 0.1
_BATCH: Final = 4
_SIGNAL: Final = "error"
_REASONS: Final = (
    "queue_full",
    "queue_overflow",
    "network_error",
    "send_error",
    "status_429",
    "ratelimit_backoff",
    "failed",
)
"""Why events are dropped; the SDK's own among them."""
_MARK: Final = "_etter_obs_captured"
_MAX_CONTEXT_TEXT: Final = 4_096
_UNREACHABLE: Final = "network_error"
"""The SDK's reason for an event without a connection."""
_REFUSED: Final = "status_429"
"""The SDK's reason for an event that Sentry rejected at its rate limit."""


class _Report(NamedTuple):
    """One error, recorded on the thread that failed."""

    time: float
    chain: list[Raised]
    handled: bool
    tags: dict[str, str]
    contexts: dict[str, Any]
    trace: dict[str, str] | None
    transaction: str | None


class ErrorTracker:
    """Reports exceptions to the Sentry project of ``SENTRY_DSN``; does nothing if that is off.

    It also does nothing if sentry-sdk is unusable; one warning reports that.

    Args:
        settings: the switch, the DSN and the version.
        service: tag on every event.
        environment: Sentry's environment.
        registry: counts dropped events.
        redactor: the rules that remove secrets; equal to those for logs.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        environment: str,
        registry: MetricsRegistry,
        redactor: Redactor,
    ) -> None:
        wanted = settings.error_tracking_enabled and settings.sentry_dsn is not None
        self.enabled = wanted and ERROR_REPORTS.attempt(lambda: True) is not None
        self._settings = settings
        self._service = service
        self._environment = environment
        self._redactor = redactor
        self._drops = registry.counter(conventions.TELEMETRY_DROPPED)
        if self.enabled:
            for reason in _REASONS:
                self._drops.prime(_SIGNAL, reason)
        self._client: sentry_sdk.Client | None = None
        self._is_down = False
        self._worker: BatchWorker[_Report] = BatchWorker(
            "etter-obs-errors",
            capacity=_QUEUE,
            batch=_BATCH,
            linger=_LINGER,
            handle=self._send,
            dropped=lambda count: self._count_dropped("queue_full", count),
            forked=self._forget_client,
        )

    def capture(
        self,
        exception: BaseException,
        request: RequestContext | None = None,
        *,
        endpoint: str | None = None,
        handled: bool = False,
    ) -> None:
        """Queue a report of ``exception``, which ended ``request``; never wait, never raise.

        A request reports the same exception once.

        Args:
            exception: the exception.
            request: the request; default: the current one, if any.
            endpoint: its route template, which becomes Sentry's transaction.
            handled: whether the app handled the exception.
        """
        if self.enabled:
            self._capture(exception, request, endpoint, handled, {})

    def capture_exception(
        self, exception: BaseException, context: Mapping[str, Any] | None = None
    ) -> None:
        """Report an exception that the app handled, with its own contexts.

        Args:
            exception: the exception.
            context: names and values; a mapping as value becomes a Sentry context of that name.
        """
        if not self.enabled:
            return
        contexts = {
            key: value if isinstance(value, dict) else {"value": value}
            for key, value in plain_fields(dict(context or {}), _MAX_CONTEXT_TEXT).items()
        }
        self._capture(exception, None, None, True, contexts)

    def wake(self) -> None:
        """Send the queued reports now, without waiting."""
        self._worker.wake()

    def flush(self, deadline: float) -> bool:
        """Send the queued reports within ``deadline`` seconds; return whether none is left."""
        end = time.monotonic() + deadline
        done = self._worker.flush(deadline)
        if self._client is not None:
            self._client.flush(timeout=max(0.0, end - time.monotonic()))
        return done

    def close(self, deadline: float) -> bool:
        """Send the queued reports within ``deadline`` seconds, count the rest as dropped, and end.

        The call does not wait for a Sentry that is known to be unreachable.
        """
        if self._is_down:
            deadline = 0.0
        end = time.monotonic() + deadline
        done = self._worker.close(deadline)
        if self._client is not None:
            self._client.close(timeout=max(0.0, end - time.monotonic()))
            self._client = None
        return done

    def _capture(
        self,
        exception: BaseException,
        request: RequestContext | None,
        endpoint: str | None,
        handled: bool,
        contexts: dict[str, Any],
    ) -> None:
        request = request if request is not None else current_request.get()
        request_id = request.request_id if request is not None else None
        if request_id is not None and not _is_new(exception, request_id):
            return
        tags = {log_fields.SERVICE: self._service}
        transaction, trace = endpoint, None
        if request is not None:
            transaction = endpoint or request.endpoint
            tags[log_fields.REQUEST_ID] = request.request_id
            tags[log_fields.TRACE_ID] = request.trace_id
            tags[log_fields.METHOD] = request.method
            trace = {"trace_id": request.trace_id, "span_id": request.span_id}
            contexts = {
                **contexts,
                "request": {
                    log_fields.REQUEST_ID: request.request_id,
                    log_fields.METHOD: request.method,
                    log_fields.PATH: request.path,
                },
            }
        if transaction is not None:
            tags[log_fields.ENDPOINT] = transaction
        self._worker.put(
            _Report(time.time(), chain_of(exception), handled, tags, contexts, trace, transaction)
        )

    # -- on the worker's thread -------------------------------------------------------------------

    def _send(self, reports: list[_Report]) -> None:
        for report in reports:
            try:
                if self._client is None:
                    self._client = self._make_client()
                self._client.capture_event(cast("Event", self._event(report)))
            except Exception:  # noqa: BLE001  # a failed report must not cause an error
                self._count_dropped("failed", 1)

    def _event(self, report: _Report) -> dict[str, Any]:
        """Return the event without its secrets.

        Redaction comes before the SDK, because older releases of it cut long texts and no pattern
        matches half a secret.
        """
        said: dict[str, Any] = {
            "exception": as_sentry(report.chain, handled=report.handled),
            "tags": report.tags,
            "contexts": report.contexts,
        }
        if report.transaction is not None:
            said["transaction"] = report.transaction
        event = {"timestamp": report.time, "level": "error", **self._redactor.mapping(said)}
        if report.trace is not None:  # added afterwards: a span id may look like a card number
            event["contexts"]["trace"] = report.trace
        return event

    def _make_client(self) -> sentry_sdk.Client:
        import sentry_sdk
        from sentry_sdk.transport import HttpTransport

        count_dropped = self._count_dropped

        def unreachable() -> None:
            self._is_down = True

        class CountingTransport(HttpTransport):
            """Counts the events that the SDK drops: network errors, rate limits, its full queue."""

            def record_lost_event(self, reason: str, *args: Any, **kwargs: Any) -> None:
                count_dropped(reason, 1)
                if reason == _UNREACHABLE:
                    unreachable()

            def on_dropped_event(self, reason: str) -> None:
                if reason == _REFUSED:  # the SDK does not record this loss
                    count_dropped(reason, 1)

        return sentry_sdk.Client(
            dsn=self._settings.sentry_dsn,
            release=self._settings.service_version,
            environment=self._environment,
            transport=CountingTransport,
            transport_queue_size=_QUEUE,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            send_client_reports=False,
            enable_backpressure_handling=False,
            include_local_variables=False,
            max_breadcrumbs=0,
            # Brotli, the default if its package is installed, uses more CPU time.
            _experiments={"transport_compression_algo": "gzip"},  # type: ignore[typeddict-item]
        )

    def _count_dropped(self, reason: str, count: int) -> None:
        self._drops.child(_SIGNAL, reason).inc(count)

    def _forget_client(self) -> None:
        self._client = None


def _is_new(exception: BaseException, request_id: str) -> bool:
    """Return whether the request has not reported ``exception`` yet, and mark it as reported."""
    with suppress(Exception):  # a class without attributes is reported twice
        if getattr(exception, _MARK, None) == request_id:
            return False
        setattr(exception, _MARK, request_id)
    return True
