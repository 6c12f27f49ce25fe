"""The parts of an observed app, created in order and undone in reverse."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from etter_obs._internal import conventions
from etter_obs._internal.errors import ErrorTracker
from etter_obs._internal.health import Health
from etter_obs._internal.logs import LogPipeline
from etter_obs._internal.metrics import decorators
from etter_obs._internal.metrics.multiproc_dir import SharedDir, private_dir, shared_dir
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.metrics.requests import RequestMetrics
from etter_obs._internal.observed_clients import ObservedClients
from etter_obs._internal.requests.routing import RouteTable
from etter_obs._internal.runtime import instrument_runtime
from etter_obs._internal.settings import Settings, SettingsError
from etter_obs._internal.shutdown_deadline import ShutdownDeadline
from etter_obs._internal.slo.spec.buckets import db_buckets, request_buckets, tightest_latency
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.tracing import Tracing
from etter_obs._internal.tracing.httpx_client import instrument_httpx

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

    from etter_obs._internal.console import Console
    from etter_obs._internal.operations import Watch

_LOG: Final = logging.getLogger("etter_obs")


class Parts:
    """Everything that measures: metrics, logs, errors, tracing, runtime, health, clients.

    No part refers to the app. ``undo`` closes the parts; callbacks that are added to it later run
    first.

    Args:
        settings: The settings from the environment.
        spec: The spec from slo.yaml.
        deadline: Limits how long closing waits.
        shutdown: Ends the observation of the app; the health part calls it last at SIGTERM.

    Raises:
        SettingsError: A variable names a folder that cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        spec: Spec,
        deadline: ShutdownDeadline,
        shutdown: Callable[[], None],
    ) -> None:
        self.settings, self.spec, self.deadline = settings, spec, deadline
        service = settings.service_name or spec.service
        environment = settings.environment or spec.environment
        with ExitStack() as undo:
            self.metrics, shared = _registry(settings, spec, service)
            undo.callback(shared.leave)
            undo.callback(self.metrics.close)
            self.logs = LogPipeline(settings, service, environment, self.metrics)
            undo.callback(lambda: self.logs.close(deadline.left()))
            undo.callback(self.logs.install())
            self.metrics.gauge(conventions.WORKERS_APART).child().set(float(bool(shared.apart)))
            if shared.apart:
                _LOG.warning(
                    "The workers of this service cannot add up their metrics: a scrape shows only "
                    "one of them, and rates are too low. Set PROMETHEUS_MULTIPROC_DIR to a folder "
                    "that all workers can write to (%s)",
                    shared.apart,
                )
            self.errors = ErrorTracker(
                settings, service, environment, self.metrics, self.logs.redactor
            )
            undo.callback(lambda: self.errors.close(deadline.left()))
            self.routes = RouteTable(())
            self.flush_requests: Callable[[], object] = lambda: None
            self.tracing = Tracing(
                settings,
                service=service,
                environment=environment,
                version=settings.service_version,
                registry=self.metrics,
                redactor=self.logs.redactor,
            )
            undo.callback(lambda: self.tracing.close(deadline.left()))
            self.runtime = instrument_runtime(self.metrics, settings.service_version)
            undo.callback(self.runtime.close)
            self.health = Health(settings, self.metrics, last=shutdown)
            undo.callback(self.health.close)
            self.console = self._console(shared, service, environment)
            watch = None
            if self.console is not None:
                undo.callback(self.console.close)
                watch = self.console.recording.operation
            undo.callback(instrument_httpx(self.metrics, self.tracing, watch))
            keep_results = partial(
                _keep_results_in, self.metrics, self.tracing, service, environment, watch
            )
            self.clients = ObservedClients(
                self.metrics, self.tracing, self.health, keep_results, watch
            )
            undo.callback(self.clients.close)
            self.requests = RequestMetrics(self.metrics)
            undo.callback(decorators.bind(self.metrics, self.requests))
            self.metrics.info(conventions.SLO_SPEC_INFO).child(spec.sha256).set(1.0)
            self.undo = undo.pop_all()

    def _console(self, shared: SharedDir, service: str, environment: str) -> Console | None:
        if not self.settings.console:
            return None
        from etter_obs._internal.console import Console

        return Console(
            self.settings,
            self.spec,
            service=service,
            environment=environment,
            registry=self.metrics,
            logs=self.logs,
            health=self.health,
            folder=private_dir(shared),
            slow=tightest_latency(self.spec),
        )

    def flush(self, deadline: float, *, send: bool = True) -> bool:
        """Write and send everything that waits, all signals in parallel.

        Args:
            deadline: Timeout in seconds for all signals together.
            send: If false, log lines are written and nothing is sent.

        Returns:
            Whether everything was written and sent.
        """
        end = time.monotonic() + deadline
        self.flush_requests()
        self.logs.wake()
        if not send:
            return self.logs.flush(deadline, send=False)
        self.tracing.wake()
        self.errors.wake()
        flushed = [
            part.flush(max(0.0, end - time.monotonic()))
            for part in (self.logs, self.tracing, self.errors)
        ]
        return all(flushed)


def _keep_results_in(
    metrics: MetricsRegistry,
    tracing: Tracing,
    service: str,
    environment: str,
    watch: Watch | None,
    client: Redis | AsyncRedis,
) -> Callable[[], None]:
    """Make ``cached`` functions use a client and return the undo."""
    from etter_obs._internal.cache import Cache, bind, instrument_redis

    cache = Cache(client, metrics, service=service, environment=environment)
    with ExitStack() as undo:
        undo.callback(cache.close)
        if cache.client is not client:
            undo.callback(
                instrument_redis(cache.client, metrics, tracing, reads_server=False, watch=watch)
            )
        undo.callback(bind(cache))
        return undo.pop_all().close


def _registry(settings: Settings, spec: Spec, service: str) -> tuple[MetricsRegistry, SharedDir]:
    """Return the registry and the folder in which the workers share it."""

    def make(shared: SharedDir) -> MetricsRegistry:
        return MetricsRegistry(
            spec.metric_prefix,
            series_cap=settings.metrics_series_cap,
            buckets={
                conventions.REQUEST_DURATION: request_buckets(spec),
                conventions.DB_QUERY_DURATION: db_buckets(spec),
            },
            multiproc_dir=shared.path,
            keeps_counts=shared.keeps,
        )

    try:
        shared = shared_dir(settings.multiproc_dir, service)
        return make(shared), shared
    except OSError as error:
        if settings.multiproc_dir is None:  # the folder was not configured: continue without it
            shared = shared._replace(path=None, apart=str(error))
            return make(shared), shared
        raise SettingsError(
            "PROMETHEUS_MULTIPROC_DIR",
            str(settings.multiproc_dir),
            f"a folder that this process can write to ({error.strerror or error})",
        ) from None
