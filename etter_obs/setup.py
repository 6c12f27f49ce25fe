"""The composition root: reads the environment and the spec, makes the parts, wires the app."""

from __future__ import annotations

import asyncio
import atexit
import logging
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from math import inf
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp

from etter_obs import conventions
from etter_obs.bundle import default_spec_path
from etter_obs.context import RequestContext
from etter_obs.errors import ErrorTracker
from etter_obs.health import Health
from etter_obs.last_words import end_without_traceback
from etter_obs.logs import LogPipeline
from etter_obs.metrics import decorators
from etter_obs.metrics.exposition import MetricsEndpoint
from etter_obs.metrics.registry import MetricsRegistry
from etter_obs.metrics.requests import RequestMetrics
from etter_obs.metrics.workers import meeting_place
from etter_obs.requests.client_address import client_of
from etter_obs.requests.ids import id_taker
from etter_obs.requests.middleware import ObservabilityMiddleware
from etter_obs.requests.recorder import Recorder
from etter_obs.requests.response_headers import ResponseHeaders
from etter_obs.requests.routing import RouteTable
from etter_obs.runtime import instrument_runtime
from etter_obs.settings import Settings, SettingsError
from etter_obs.slo.buckets import db_buckets, request_buckets
from etter_obs.slo.loader import SpecError, load_specs
from etter_obs.slo.priming import needs
from etter_obs.slo.spec import Spec
from etter_obs.tracing import Tracing
from etter_obs.tracing.httpx_client import instrument_httpx

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from starlette.applications import Starlette

_LOG: Final = logging.getLogger(__name__)


class Observability:
    """The handle of an observed app.

    ``settings`` and ``spec`` are what was read; ``metrics``, ``logs``, ``tracing``, ``errors`` and
    ``health`` are the parts. ``health.add(name, check)`` registers a check of the app's own.
    """

    def __init__(self, settings: Settings, spec: Spec) -> None:
        self.settings = settings
        self.spec = spec
        self._undo = ExitStack()
        self._recorder: Recorder | None = None
        service = settings.service_name or spec.service
        environment = settings.environment or spec.environment
        deadline = settings.shutdown_deadline
        with ExitStack() as undo:
            self.metrics = _registry(settings, spec, service)
            undo.callback(self.metrics.close)
            self.logs = LogPipeline(settings, service, environment, self.metrics)
            undo.callback(self.logs.close, deadline)
            undo.callback(self.logs.install())
            self.errors = ErrorTracker(
                settings, service, environment, self.metrics, self.logs.redactor
            )
            undo.callback(self.errors.close, deadline)
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
            undo.callback(self.tracing.close, deadline)
            self.runtime = instrument_runtime(self.metrics, settings.service_version)
            undo.callback(self.runtime.close)
            undo.callback(instrument_httpx(self.metrics, self.tracing))
            self.health = Health(settings, self.metrics)
            undo.callback(self.health.close)
            self.requests = RequestMetrics(self.metrics)
            undo.callback(decorators.bind(self.metrics, self.requests))
            self.metrics.info(conventions.SLO_SPEC_INFO).child(spec.sha256).set(1.0)
            self._undo = undo.pop_all()

    def flush(self, deadline: float) -> bool:
        """Write and send what waits, each signal for at most ``deadline`` seconds.

        Returns whether everything was.
        """
        if self._recorder is not None:
            self._recorder.flush()
        flushed = [part.flush(deadline) for part in (self.errors, self.tracing, self.logs)]
        return all(flushed)

    def shutdown(self) -> None:
        """Flush within ``ETTER_OBS_SHUTDOWN_DEADLINE`` for each part, and undo every patch.

        A second call does nothing; afterwards ``setup_observability`` may be called again.
        """
        self._undo.close()

    def on_shutdown(self, undo: Callable[[], object]) -> None:
        """Have ``shutdown`` call ``undo``, before it undoes what was done earlier."""
        self._undo.callback(undo)

    def observe(self, app: Starlette) -> None:
        """Put the middleware around everything that the app brings, now or when it starts."""

        def wrapped(inner: ASGIApp) -> ASGIApp:
            return self._around(app, inner)

        self._undo.callback(self.tracing.adopt(app))
        original = app.build_middleware_stack
        was_set = "build_middleware_stack" in vars(app)
        app.build_middleware_stack = lambda: wrapped(original())  # type: ignore[method-assign]
        if app.middleware_stack is not None:  # set up late, while the app runs
            app.middleware_stack = wrapped(app.middleware_stack)

        def undo() -> None:
            if was_set:
                app.build_middleware_stack = original  # type: ignore[method-assign]
            else:
                del app.build_middleware_stack
            stack = app.middleware_stack
            if isinstance(stack, ObservabilityMiddleware):
                app.middleware_stack = stack.inner

        self._undo.callback(undo)

    def observe_engine(self, engine: Engine | AsyncEngine) -> None:
        """Measure a SQLAlchemy engine, and check the health of its database."""
        from etter_obs.database import database_check, instrument_engine

        self._undo.callback(instrument_engine(engine, self.metrics, self.tracing))
        self.health.add("database", database_check(engine), critical=True)

    def observe_redis(self, client: Redis | AsyncRedis) -> None:
        """Measure a Redis client, check its health, and let ``cached`` functions use it."""
        from etter_obs.cache import Cache, bind, instrument_redis, redis_check

        self._undo.callback(instrument_redis(client, self.metrics, self.tracing))
        self._undo.callback(bind(Cache(client, self.metrics)))
        self.health.add("redis", redis_check(client), critical=False)

    def _around(self, app: Starlette, inner: ASGIApp) -> ObservabilityMiddleware:
        """Return the middleware around ``inner``; called when the app has all of its routes."""
        self.routes = RouteTable(app.routes)
        self.requests.prime(self.routes.routes, needs(self.spec))
        probes: dict[str, ASGIApp] = dict(self.health.endpoints)
        if self.settings.metrics_enabled:
            endpoint = MetricsEndpoint(
                self.metrics, self.settings.metrics_token, self.settings.multiproc_dir
            )
            self.health.serve(conventions.Path.METRICS, endpoint)
            if self.settings.management_port is None:
                probes[conventions.Path.METRICS] = endpoint
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
            lifecycle=self,
            take_id=id_taker(self.logs.redactor.text),
            headers=ResponseHeaders(named) if (named := self.settings.response_headers) else None,
        )

    def _query_report(self) -> Callable[[RequestContext], None]:
        from etter_obs.database.requests import RequestQueries

        return RequestQueries(self.metrics, self.settings.n_plus_one_threshold).finish

    def _report(self, error: BaseException, request: RequestContext) -> None:
        self.requests.exception(request.endpoint, error)
        self.errors.capture(error, request)

    # -- the app's life, as the middleware sees it ------------------------------------------------

    def starting(self) -> None:
        """Measure the running event loop; chain SIGTERM, open the port, name the spec."""
        self.runtime.watch_loop()
        self.health.start()
        _LOG.info(
            "SLOs of %s are those of %s, sha256 %.12s…",
            self.spec.service,
            self.settings.slo_file or "the package's own slo.yaml",
            self.spec.sha256,
        )

    def started(self) -> None:
        """Let the startup probe pass."""
        self.health.mark_started()

    def stopping(self) -> None:
        """Give SIGTERM and the management port back."""
        self.health.close()

    async def stopped(self) -> None:
        """Flush, without holding up the loop in which the server says good-bye."""
        await asyncio.to_thread(self.flush, self.settings.shutdown_deadline)


_observed: Final[weakref.WeakKeyDictionary[Starlette, Observability]] = weakref.WeakKeyDictionary()


def setup_observability(
    app: Starlette,
    *,
    engine: Engine | AsyncEngine | None = None,
    redis: Redis | AsyncRedis | None = None,
    settings: Settings | None = None,
) -> Observability:
    """Observe a FastAPI (or Starlette) app: logs, metrics, traces, errors, health.

    All else comes from the environment. It may stand before or after routes and middleware are
    added. A second call for the same app returns the first one's handle. A process that does not
    catch what is wrong with its variables or slo.yaml says that alone and exits with 2. A part that
    a variable switches on and whose packages are not installed is left out, with one warning.

    Args:
        app: the app, before or after its start.
        engine: SQLAlchemy engine, sync or async, to be measured and checked.
        redis: client of redis-py, sync or async, likewise; ``cached`` functions keep results there.
        settings: what else the environment would say.

    Returns:
        The handle: ``obs.health.add(…)``, ``obs.shutdown()``.

    Raises:
        SettingsError: an environment variable holds a value that it cannot take.
        SpecError: slo.yaml says something that cannot be right.
    """
    known = _observed.get(app)
    if known is not None:
        return known
    try:
        settings = settings or Settings.from_env()
        observability = Observability(settings, _spec(settings))
    except (SettingsError, SpecError) as error:
        end_without_traceback(error)
        raise
    try:
        if engine is not None:
            observability.observe_engine(engine)
        if redis is not None:
            observability.observe_redis(redis)
        observability.observe(app)
    except BaseException:
        observability.shutdown()
        raise
    _observed[app] = observability
    observability.on_shutdown(lambda: _observed.pop(app, None))
    atexit.register(observability.shutdown)
    observability.on_shutdown(lambda: atexit.unregister(observability.shutdown))
    return observability


def _spec(settings: Settings) -> Spec:
    specs = load_specs(settings.slo_file or default_spec_path(), settings.environment)
    named = [spec for spec in specs if spec.service == settings.service_name]
    return (named or specs)[0]


def _registry(settings: Settings, spec: Spec, service: str) -> MetricsRegistry:
    try:
        return MetricsRegistry(
            spec.metric_prefix,
            series_cap=settings.metrics_series_cap,
            buckets={
                conventions.REQUEST_DURATION: request_buckets(spec),
                conventions.DB_QUERY_DURATION: db_buckets(spec),
            },
            multiproc_dir=meeting_place(settings.multiproc_dir, service),
        )
    except OSError as error:
        raise SettingsError(
            "PROMETHEUS_MULTIPROC_DIR",
            str(settings.multiproc_dir),
            f"a folder in which this process may write ({error.strerror or error})",
        ) from None


def _tightest_latency(spec: Spec) -> float:
    """Return the lowest threshold, in seconds, above which a request is bad for some SLO."""
    latencies = [slo.sli.latency for slo in spec.slos if slo.sli.latency is not None]
    name = conventions.REQUEST_DURATION.suffix
    return min((float(sli.threshold) for sli in latencies if sli.metric == name), default=inf)
