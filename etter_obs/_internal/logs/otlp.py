"""Send rendered lines to an OTLP receiver.

The writer encodes the records from the same redacted fields that it wrote. A separate thread only
sends them, because a receiver that accepts and never answers must not block standard output.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from etter_obs._internal.batch_worker import BatchWorker
from etter_obs._internal.logs.otlp_wire import Encoder, request
from etter_obs._internal.metrics.multiproc_dir import preloads
from etter_obs._internal.otlp.delivery import Delivery
from etter_obs._internal.otlp.resource import INSTANCE_ID, id_now, resource_of
from etter_obs._internal.otlp.transport import NotSent
from etter_obs._internal.settings import Settings

_QUEUE: Final = 4096
_BATCH: Final = 512
_LINGER: Final = 1.0
_TIMEOUT: Final = 5.0
"""Timeout of a request with its retries in seconds, unless the settings set one."""
_PATH: Final = "/v1/logs"
_METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
_MAX_REQUEST: Final = 2 * 1024 * 1024
"""Bytes of records per request: half of what a gRPC server accepts by default."""
_SCOPE: Final = "etter_obs.logs"

_log: Final = logging.getLogger("etter_obs.logs")


class LogShipper:
    """Queue encoded records and export them from one thread, limited in number and time.

    Args:
        settings: The target and the version of the service.
        service: ``service.name`` of every record's resource.
        environment: ``deployment.environment.name`` of the same resource.
        dropped: Called with a reason and the number of records that were not sent.
    """

    def __init__(
        self,
        settings: Settings,
        service: str,
        environment: str,
        dropped: Callable[[str, int], None],
    ) -> None:
        target = settings.otlp_target("logs")
        self._delivery = Delivery(target, path=_PATH, method=_METHOD, timeout=_TIMEOUT)
        made = resource_of(service, environment, settings.service_version)
        self._resource = dict(made.attributes)
        self._dropped = dropped
        self._encoder = Encoder()
        self._failing = False
        # A gRPC connection that is used before a fork hangs in the child. Such a process (gunicorn
        # with --preload) serves no request, and its few lines are on standard output.
        self._forks = preloads()
        self._worker: BatchWorker[bytes] = BatchWorker(
            "etter-obs-otlp-logs",
            capacity=_QUEUE,
            batch=_BATCH,
            linger=_LINGER,
            handle=self._export,
            dropped=lambda count: dropped("otlp_queue_full", count),
            forked=self._forked,
        )

    def offer(self, time_ns: int, fixed: dict[str, Any], fields: dict[str, Any]) -> None:
        """Queue the record of a rendered line; never waits.

        Args:
            time_ns: Unix time of the line in nanoseconds.
            fixed: The fields that all lines of one call share, or empty.
            fields: The other fields.
        """
        if self._forks:
            return
        try:
            encoded = self._encoder.record(time_ns, time.time_ns(), fixed, fields)
        except Exception:  # noqa: BLE001  # the line is on standard output already
            self._dropped("otlp_failed", 1)
        else:
            self._worker.put(encoded)

    def is_current_thread(self) -> bool:
        """Return whether the caller runs on the exporting thread."""
        return self._worker.is_current_thread()

    def flush(self, deadline: float) -> bool:
        """Export the waiting records within ``deadline`` seconds; return whether all were exported.

        A receiver that is known to be down is not waited for.
        """
        return self._worker.flush(deadline, lambda: self._delivery.is_down)

    def wake(self) -> None:
        """Start to export the waiting records now."""
        self._worker.wake()

    def close(self, deadline: float) -> bool:
        """Export the waiting records within ``deadline`` seconds, then cancel what is under way.

        A receiver that is known to be down is not waited for.
        """
        if self._delivery.is_down:
            self._delivery.give_up()
        done = self._worker.close(deadline, lambda: self._delivery.is_down)
        self._delivery.close()
        return done

    def _export(self, records: list[bytes]) -> None:
        resource = self._resource | {INSTANCE_ID: id_now(str(self._resource[INSTANCE_ID]))}
        for part in _parts(records):
            payload = request(resource, _SCOPE, part)
            try:
                self._delivery.send(payload)
                reason = None
            except NotSent as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001  # the thread must survive
                reason = type(error).__name__
            if reason is not None:
                self._dropped("otlp_failed", len(part))
            self._report_delivery(reason)

    def _report_delivery(self, reason: str | None) -> None:
        """Log once that lines do not arrive, and once that they arrive again."""
        if (reason is not None) != self._failing:
            self._failing = reason is not None
            if reason is not None:
                _log.warning("Log lines cannot be sent to the collector: %s", reason)
            else:
                _log.info("Log lines are sent to the collector again")

    def _forked(self) -> None:
        self._delivery.forked()
        self._forks = False


def _parts(records: list[bytes]) -> Iterator[list[bytes]]:
    """Split a batch so that no request is larger than a server accepts."""
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
