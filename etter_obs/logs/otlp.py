"""Sends rendered lines to an OTLP receiver.

The writer prepares what is sent, from the same redacted fields that it wrote; a thread of its own
only carries it, since a receiver that accepts and never answers must not hold up standard output.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from opentelemetry.sdk.resources import Resource

from etter_obs.logs.otlp_transport import NotSent, Transport, make_transport
from etter_obs.logs.otlp_wire import Encoder, request
from etter_obs.settings import Settings
from etter_obs.worker import BackgroundWorker

_QUEUE: Final = 4096
_BATCH: Final = 512
_LINGER: Final = 0.2
_TIMEOUT: Final = 5.0
"""Seconds a request may take, with what it is tried again, unless the settings say otherwise."""
_FIRST_DELAY: Final = 0.2
_MAX_REQUEST: Final = 2 * 1024 * 1024
"""Bytes of records in a request: half of what a gRPC server takes unless told otherwise."""
_SCOPE: Final = "etter_obs.logs"

_log: Final = logging.getLogger(__name__)


class LogShipper:
    """Queues encoded records and exports them from one thread, bounded in number and time.

    Args:
        settings: where to and how, and the service's version.
        service: ``service.name`` of every record's resource.
        environment: ``deployment.environment.name`` of the same.
        dropped: told a reason and how many records did not leave.

    The connection is made with the first batch, in the process that sends it: a gRPC channel does
    not survive a fork.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        environment: str,
        dropped: Callable[[str, int], None],
    ) -> None:
        self._settings = settings
        self._timeout = settings.otlp_timeout or _TIMEOUT
        attributes = {"service.name": service, "deployment.environment.name": environment}
        if settings.service_version is not None:
            attributes["service.version"] = settings.service_version
        self._resource = dict(Resource.create(attributes).attributes)
        self._dropped = dropped
        self._encoder = Encoder()
        self._transport: Transport | None = None
        self._closing = threading.Event()
        self._failing = False
        self._worker: BackgroundWorker[bytes] = BackgroundWorker(
            "etter-obs-otlp-logs",
            capacity=_QUEUE,
            batch=_BATCH,
            linger=_LINGER,
            handle=self._export,
            dropped=lambda count: dropped("otlp_queue_full", count),
            forked=self._forget_connection,
        )

    def offer(self, time_ns: int, fixed: dict[str, Any], fields: dict[str, Any]) -> None:
        """Queue the record of a line that was rendered from these fields; never waits."""
        try:
            encoded = self._encoder.record(time_ns, time.time_ns(), fixed, fields)
        except Exception:  # noqa: BLE001  # the line is on standard output already
            self._dropped("otlp_failed", 1)
        else:
            self._worker.put(encoded)

    def is_current_thread(self) -> bool:
        """Tell whether the caller runs on the exporting thread."""
        return self._worker.is_current_thread()

    def flush(self, deadline: float) -> bool:
        """Export what waits, at most ``deadline`` seconds; returns whether that was enough."""
        return self._worker.flush(deadline)

    def close(self, deadline: float) -> bool:
        """Export what waits within ``deadline`` seconds, then end what is under way."""
        done = self._worker.close(deadline)
        self._closing.set()
        if self._transport is not None:
            self._transport.close()
        return done

    def _export(self, records: list[bytes]) -> None:
        for part in _parts(records):
            payload = request(self._resource, _SCOPE, part)
            try:
                self._deliver(payload)
                reason = None
            except NotSent as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001  # the thread must live on
                reason = type(error).__name__
            if reason is not None:
                self._dropped("otlp_failed", len(part))
            self._tell(reason)

    def _deliver(self, payload: bytes) -> None:
        end, delay = time.monotonic() + self._timeout, _FIRST_DELAY
        while True:
            try:
                if self._transport is None:
                    self._transport = make_transport(self._settings)
                self._transport.send(payload, max(0.1, end - time.monotonic()))
            except NotSent as error:
                late = time.monotonic() + delay >= end
                if not error.retryable or late or self._closing.wait(delay):
                    raise
                delay *= 2
            else:
                return

    def _tell(self, reason: str | None) -> None:
        """Say once that lines do not arrive, and once that they do again."""
        if (reason is not None) != self._failing:
            self._failing = reason is not None
            if reason is not None:
                _log.warning("Log lines cannot be sent to the collector: %s", reason)
            else:
                _log.info("Log lines reach the collector again")

    def _forget_connection(self) -> None:
        self._transport = None
        self._closing = threading.Event()


def _parts(records: list[bytes]) -> Iterator[list[bytes]]:
    """Divide a batch so that no request is larger than a server takes."""
    part: list[bytes] = []
    size = 0
    for one in records:
        if part and size + len(one) > _MAX_REQUEST:
            yield part
            part, size = [], 0
        part.append(one)
        size += len(one)
    if part:
        yield part
