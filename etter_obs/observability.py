"""The handle of an observed app: its parts, what it observes, how it starts and ends."""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from math import inf
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp

from etter_obs import conventions
from etter_obs.app_resources import AppSide
from etter_obs.bundle import spec_near
from etter_obs.context import RequestContext
from etter_obs.errors import ErrorTracker
from etter_obs.health import Health
from etter_obs.logs import LogPipeline
from etter_obs.metrics import decorators
from etter_obs.metrics.exposition import MetricsEndpoint
from etter_obs.metrics.multiproc_dir import SharedDir, shared_dir
from etter_obs.metrics.registry import MetricsRegistry
from etter_obs.metrics.requests import RequestMetrics
from etter_obs.observed_clients import ObservedClients
from etter_obs.posix import tell_what_is_off
from etter_obs.requests.client_address import client_of
from etter_obs.requests.ids import id_taker
from etter_obs.requests.middleware import ObservabilityMiddleware
from etter_obs.requests.priming import needs
from etter_obs.requests.probes import Probe, Probes
from etter_obs.requests.recorder import Recorder
from etter_obs.requests.response_headers import ResponseHeaders
from etter_obs.requests.routing import RouteTable
from etter_obs.requests.stack import wrap_stack
from etter_obs.runtime import instrument_runtime
from etter_obs.settings import Settings, SettingsError
from etter_obs.slo.spec.buckets import db_buckets, request_buckets
from etter_obs.slo.spec.models import Spec
from etter_obs.startup_detection import call_in_main_loop, call_when_started
from etter_obs.tracing import Tracing
from etter_obs.tracing.httpx_client import instrument_httpx

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from starlette.applications import Starlette

_LOG: Final = logging.getLogger(__name__)
_LIFESPAN_SECONDS: Final = 1.0
"""How long to wait for a server's lifespan, once its loop runs."""


class Observability:
    """The handle of an observed app.

    ``settings`` and ``spec`` are what was read; ``metrics``, ``logs``, ``tracing``, ``errors`` and
    ``health`` are the parts. ``health.add(name, check)`` registers a check of the app's own.
    ``app_file`` is the file that sets the app up.
    """

    def __init__(self, settings: Settings, spec: Spec, app_file: str | None = None) -> None:
        self.settings = settings
        self.spec = spec
        self._app_file = app_file
        self._undo = ExitStack()
        self._recorder: Recorder | None = None
        self._side: Callable[[], AppSide | None] = lambda: None
        service = self._service = settings.service_name or spec.service
        environment = self._environment = settings.environment or spec.environment
        self._ends: float | None = None
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        """Those in which the app has begun; a test client runs each start in one of its own."""
        self._has_told = False
        with ExitStack() as undo:
            self.metrics, shared = _registry(settings, spec, service)
            undo.callback(shared.leave)
            undo.callback(self.metrics.close)
            self.logs = LogPipeline(settings, service, environment, self.metrics)
            undo.callback(lambda: self.logs.close(self._left()))
            undo.callback(self.logs.install())
            self.metrics.gauge(conventions.WORKERS_APART).child().set(float(bool(shared.apart)))
            if shared.apart:
                _LOG.warning(
                    "The workers of this service cannot add up their metrics: a scrape shows one "
                    "of them, and rates are too low. Set PROMETHEUS_MULTIPROC_DIR to a folder in "
                    "which all of them may write (%s)",
                    shared.apart,
                )
            self.errors = ErrorTracker(
                settings, service, environment, self.metrics, self.logs.redactor
            )
            undo.callback(lambda: self.errors.close(self._left()))
            self.routes = RouteTable(())
            self.tracing = Tracing(
                settings,
                service=service,
                environment=environment,
                version=settings.service_version,
                registry=self.metrics,
                redactor=self.logs.redactor,
                endpoint=lambda scope: self.routes.endpoint(scope),
            )
            undo.callback(lambda: self.tracing.close(self._left()))
            self.runtime = instrument_runtime(self.metrics, settings.service_version)
            undo.callback(self.runtime.close)
            undo.callback(instrument_httpx(self.metrics, self.tracing))
            self.health = Health(settings, self.metrics, last=self.shutdown)
            undo.callback(self.health.close)
            self._clients = ObservedClients(
                self.metrics, self.tracing, self.health, self._keep_results_in
            )
            undo.callback(self._clients.close)
            self.requests = RequestMetrics(self.metrics)
            undo.callback(decorators.bind(self.metrics, self.requests))
            self.metrics.info(conventions.SLO_SPEC_INFO).child(spec.sha256).set(1.0)
            self._undo = undo.pop_all()

    def flush(self, deadline: float, *, send: bool = True) -> bool:
        """Write and send what waits, all signals side by side, within ``deadline`` seconds.

        Returns whether everything was. Without ``send`` lines are written, and nothing is sent.
        """
        end = time.monotonic() + deadline
        if self._recorder is not None:
            self._recorder.flush()
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

    def shutdown(self, deadline: float | None = None) -> None:
        """Flush within ``ETTER_OBS_SHUTDOWN_DEADLINE``, or ``deadline`` seconds; undo every patch.

        All signals share the deadline, and nobody waits for a back-end that is known to be down.
        What is left is counted as dropped. A second call does nothing; afterwards
        ``setup_observability`` may be called again.
        """
        if self._ends is None:
            seconds = self.settings.shutdown_deadline if deadline is None else deadline
            self._ends = time.monotonic() + seconds
            for part in (self.logs, self.tracing, self.errors):
                part.wake()
        if (side := self._side()) is not None:
            side.close()
        self._undo.close()

    def _left(self) -> float:
        """Return the seconds that are left for the shutdown."""
        if self._ends is None:  # set-up failed half-way: nothing waits yet
            return 0.0
        return max(0.0, self._ends - time.monotonic())

    def on_shutdown(self, undo: Callable[[], object]) -> None:
        """Have ``shutdown`` call ``undo``, before it undoes what was done earlier.

        What ``undo`` refers to is kept until then.
        """
        self._undo.callback(undo)

    def observe(self, app: Starlette) -> None:
        """Put the middleware around everything that the app brings, now or when it starts."""
        side = AppSide.of(app)
        self._side = weakref.ref(side)
        self.health.leave_checks_to(side)
        side.callback(self.tracing.adopt(app))
        side.callback(wrap_stack(app, lambda inner: self._around(app, side, inner)))
        stack = app.middleware_stack
        if isinstance(stack, ObservabilityMiddleware):  # set up late, while the app runs
            self._begin_late(app, stack)
        elif self.settings.management_port is not None:
            self._begin_without_lifespan()

    def _begin_late(self, app: Starlette, stack: ObservabilityMiddleware) -> None:
        """Begin now: the lifespan's first message has passed already.

        Its last one passes unseen as well, so the end of the process flushes.
        """
        with suppress(RuntimeError):  # called from a thread without a loop: the first request will
            asyncio.get_running_loop()
            stack.begin()
            call_when_started(app.router, self.started)

    def _begin_without_lifespan(self) -> None:
        """Open the management port although no lifespan and no request may ever come.

        Where a server has sent no lifespan a second after its loop began, it will not.
        """

        async def begin() -> None:
            await asyncio.sleep(_LIFESPAN_SECONDS)
            if asyncio.get_running_loop() not in self._loops and self._ends is None:
                self.starting()
                self.started()

        def begin_soon() -> None:
            waiting = asyncio.get_running_loop().create_task(begin())
            self._undo.callback(waiting.cancel)

        try:
            asyncio.get_running_loop().call_soon(begin_soon)
        except RuntimeError:  # imported before the loop runs
            self._undo.callback(call_in_main_loop(begin_soon))

    def observe_engine(self, engine: Engine | AsyncEngine, *, name: str | None = None) -> None:
        """Measure a SQLAlchemy engine, and check the health of its database, which is critical.

        Observing the same engine again changes nothing. One that is observed while the app runs, in
        its lifespan for example, is forgotten when the app starts anew.

        Args:
            engine: sync or async.
            name: of the health check and of the label ``pool``; an older engine of that name is no
                longer observed. Default: ``database``, then ``database-2`` and so on.

        Raises:
            ImportError: SQLAlchemy is older than the lowest that works; the message has the line
                that installs another.
        """
        self._clients.add_engine(engine, name)

    def observe_redis(self, client: Redis | AsyncRedis, *, name: str | None = None) -> None:
        """Measure a Redis client and check its health; ``cached`` functions use the first one.

        Observing the same client again changes nothing. One that is observed while the app runs, in
        its lifespan for example, is forgotten when the app starts anew.

        Args:
            client: of redis-py, sync or async.
            name: of the health check; an older client of that name is no longer observed.
                Default: ``redis``, then ``redis-2`` and so on.

        Raises:
            ImportError: redis-py is older than the lowest that works; the message has the line that
                installs another.
        """
        self._clients.add_redis(client, name)

    def _keep_results_in(self, client: Redis | AsyncRedis) -> Callable[[], None]:
        """Let ``cached`` functions use a client; the return value undoes that."""
        from etter_obs.cache import Cache, bind, instrument_redis

        cache = Cache(client, self.metrics, service=self._service, environment=self._environment)
        with ExitStack() as undo:
            undo.callback(cache.close)
            if cache.client is not client:
                undo.callback(
                    instrument_redis(cache.client, self.metrics, self.tracing, watch=False)
                )
            undo.callback(bind(cache))
            return undo.pop_all().close

    def observe_all(
        self,
        engine: Engine | AsyncEngine | Mapping[str, Engine | AsyncEngine] | None,
        redis: Redis | AsyncRedis | Mapping[str, Redis | AsyncRedis] | None,
    ) -> None:
        """Observe what ``setup_observability`` takes: an engine, a client, or several by name."""
        if isinstance(engine, Mapping):
            for name, one in engine.items():
                self.observe_engine(one, name=name)
        elif engine is not None:
            self.observe_engine(engine)
        if isinstance(redis, Mapping):
            for name, client in redis.items():
                self.observe_redis(client, name=name)
        elif redis is not None:
            self.observe_redis(redis)

    def _around(self, app: Starlette, side: AppSide, inner: ASGIApp) -> ObservabilityMiddleware:
        """Return the middleware around ``inner``; called when the app has all of its routes."""
        side.callback(self.tracing.settle(inner))
        self.routes = RouteTable(app.routes)
        self.requests.prime(self.routes.routes, needs(self.spec))
        probes = side.probes = self._make_probes(app)
        side.callback(probes.install())
        recorder = Recorder(
            table=self.routes,
            requests=self.requests,
            tracing=self.tracing,
            access=self.logs.access,
            logs_all=self.settings.log_level in ("DEBUG", "INFO"),
            finish_queries=self._query_report(),
            client=client_of(self.settings.trusted_proxies),
            report=self._report,
            slow=_tightest_latency(self.spec),
            streaming=frozenset(self.spec.streaming_routes),
        )
        self._undo.callback(self.metrics.on_scrape(recorder.flush))
        self._undo.callback(recorder.flush)
        self._recorder = recorder
        return ObservabilityMiddleware(
            inner,
            recorder=recorder,
            probes=probes,
            quiet=self.settings.quiet_paths,
            lifecycle=self,
            take_id=id_taker(self.logs.redactor.text),
            headers=ResponseHeaders(named) if (named := self.settings.response_headers) else None,
        )

    def _make_probes(self, app: Starlette) -> Probes:
        settings = self.settings
        chosen = settings.health_path != conventions.Path.HEALTH
        probes = {
            path: Probe(answer, chosen=chosen, guarded=False)
            for path, answer in self.health.endpoints.items()
        }
        path = settings.metrics_path
        if settings.metrics_enabled:
            token = settings.metrics_token
            endpoint = MetricsEndpoint(self.metrics, token, settings.multiproc_dir)
            self.health.serve(path or conventions.Path.METRICS, endpoint)
            if settings.management_port is None and path is not None:
                chosen = path != conventions.Path.METRICS
                probes[path] = Probe(endpoint, chosen=chosen, guarded=token is None)
        return Probes(app, probes)

    def _query_report(self) -> Callable[[RequestContext], None]:
        from etter_obs.database.requests import RequestQueries

        return RequestQueries(self.metrics, self.settings.n_plus_one_threshold).finish

    def _report(self, error: BaseException, request: RequestContext) -> None:
        self.requests.exception(request.endpoint, error)
        self.errors.capture(error, request)

    # -- the app's life, as the middleware sees it ------------------------------------------------

    def starting(self) -> None:
        """Measure the running event loop; chain SIGTERM, open the port, name the spec."""
        self._clients.begin()
        loop = asyncio.get_running_loop()
        if loop in self._loops:
            return
        self._loops.add(loop)
        self.logs.look_again()
        self.runtime.watch_loop()
        self.health.start()
        if not self._has_told:
            self._has_told = True
            self._tell_targets()
            tell_what_is_off()

    def _tell_targets(self) -> None:
        """Say whose targets are in force; those of the package are nobody's."""
        chosen = self.settings.slo_file
        self.metrics.gauge(conventions.SLO_DEFAULT_TARGETS).child().set(float(chosen is None))
        if chosen is not None:
            _LOG.info(
                "SLO targets of %s: %s, sha256 %.12s…",
                self.spec.service,
                chosen,
                self.spec.sha256,
            )
            return
        here = spec_near(self._app_file)
        remedy = (
            f"Set ETTER_OBS_SLO_FILE={here} to use the slo.yaml that is there"
            if here is not None
            else "Run `etter-obs init` and set ETTER_OBS_SLO_FILE to the slo.yaml that it writes"
        )
        _LOG.warning(
            "ETTER_OBS_SLO_FILE is not set, so the latency buckets follow the package's example "
            "targets, not those of this service. %s",
            remedy,
        )

    def started(self) -> None:
        """Let the startup probe pass; say where the probes are, and what was done to logging."""
        self.logs.look_again()
        self._ends = None
        self.health.mark_started()
        side = self._side()
        if side is not None and side.probes is not None:
            side.probes.say()

    def stopping(self) -> None:
        """Close the management port; SIGTERM stays chained until the process ends."""
        self.health.stop_serving()

    async def stopped(self, *, in_process: bool) -> None:
        """Flush, without holding up the loop in which the server says good-bye.

        The end of the process has what is left of the deadline.
        """
        deadline = self.settings.shutdown_deadline
        self._ends = None if in_process else time.monotonic() + deadline
        await asyncio.to_thread(self.flush, deadline, send=not in_process)


def _registry(settings: Settings, spec: Spec, service: str) -> tuple[MetricsRegistry, SharedDir]:
    """Return the metrics, and where the workers add theirs up."""

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
        if settings.multiproc_dir is None:  # nobody has asked for it: count on without it
            shared = shared._replace(path=None, apart=str(error))
            return make(shared), shared
        raise SettingsError(
            "PROMETHEUS_MULTIPROC_DIR",
            str(settings.multiproc_dir),
            f"a folder in which this process may write ({error.strerror or error})",
        ) from None


def _tightest_latency(spec: Spec) -> float:
    """Return the lowest threshold, in seconds, above which a request is bad for some SLO."""
    bounds = (slo.sli.kind.bucket(conventions.REQUEST_DURATION) for slo in spec.slos)
    return min((float(bound) for bound in bounds if bound is not None), default=inf)
