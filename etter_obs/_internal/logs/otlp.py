"""Sends rendered lines to an OTLP receiver.

The writer prepares what is sent, from the same redacted fields that it wrote; a thread of its own
only carries it, since a receiver that accepts and never answers must not hold up standard output.
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
_LINGER: Final = 0.2
_TIMEOUT: Final = 5.0
"""Seconds a request may take, with what it is tried again, unless the settings say otherwise."""
_PATH: Final = "/v1/logs"
_METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
_MAX_REQUEST: Final = 2 * 1024 * 1024
"""Bytes of records in a request: half of what a gRPC server takes unless told otherwise."""
_SCOPE: Final = "etter_obs.logs"

_log: Final = logging.getLogger("etter_obs.logs")


class LogShipper:
    """Queues encoded records and exports them from one thread, bounded in number and time.

    Args:
        settings: where to and how, and the service's version.
        service: ``service.name`` of every record's resource.
        environment: ``deployment.environment.name`` of the same.
        dropped: told a reason and how many records did not leave.

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
        """Queue the record of a line that was rendered from these fields; never waits."""
        if self._forks:
            return
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
        """Export what waits, at most ``deadline`` seconds; returns whether that was enough.

        Nobody waits for a receiver that is known to be down.
        """
        return self._worker.flush(deadline, lambda: self._delivery.is_down)

    def wake(self) -> None:
        """Begin at once to export what waits."""
        self._worker.wake()

    def close(self, deadline: float) -> bool:
        """Export what waits within ``deadline`` seconds, then end what is under way.

        Nobody waits for a receiver that is known to be down.
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
            except Exception as error:  # noqa: BLE001  # the thread must live on
                reason = type(error).__name__
            if reason is not None:
                self._dropped("otlp_failed", len(part))
            self._tell(reason)

    def _tell(self, reason: str | None) -> None:
        """Say once that lines do not arrive, and once that they do again."""
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
