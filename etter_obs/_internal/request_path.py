"""The path of a request through the parts: the middleware around the whole app."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from etter_obs._internal import conventions
from etter_obs._internal.context import RequestContext
from etter_obs._internal.metrics.exposition import MetricsEndpoint
from etter_obs._internal.requests.client_address import client_of
from etter_obs._internal.requests.ids import id_taker
from etter_obs._internal.requests.middleware import Lifecycle, ObservabilityMiddleware
from etter_obs._internal.requests.priming import needs
from etter_obs._internal.requests.probes import Probe, Probes
from etter_obs._internal.requests.recorder import Recorder
from etter_obs._internal.requests.response_headers import ResponseHeaders
from etter_obs._internal.requests.routing import RouteTable
from etter_obs._internal.slo.spec.buckets import tightest_latency

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from etter_obs._internal.app_resources import AppResources
    from etter_obs._internal.parts import Parts


def observed(
    app: Starlette,
    inner: ASGIApp,
    *,
    parts: Parts,
    side: AppResources,
    lifecycle: Lifecycle,
) -> ObservabilityMiddleware:
    """Return the middleware around ``inner``. Call it once the app has all of its routes.

    Args:
        app: The app; its routes answer first.
        inner: Its whole middleware stack.
        parts: Record the measurements, by their settings and spec.
        side: The state that is kept on the app.
        lifecycle: Called when the app starts and stops.

    Returns:
        The outermost ASGI application.
    """
    settings, spec = parts.settings, parts.spec
    side.callback(parts.tracing.settle(inner))
    parts.routes = RouteTable(app.routes)
    parts.requests.prime(parts.routes.routes, needs(spec))
    probes = side.probes = _probes(app, parts)
    side.callback(probes.install())
    recorder = _recorder(parts)(
        table=parts.routes,
        requests=parts.requests,
        tracing=parts.tracing,
        access=parts.logs.access,
        logs_all=settings.log_level in ("DEBUG", "INFO"),
        finish_queries=_query_report(parts),
        client=client_of(settings.trusted_proxies),
        report=_error_report(parts),
        slow=tightest_latency(spec),
        streaming=frozenset(spec.streaming_routes),
    )
    parts.undo.callback(parts.metrics.on_scrape(recorder.flush))
    parts.undo.callback(recorder.flush)
    parts.flush_requests = recorder.flush
    return ObservabilityMiddleware(
        inner,
        recorder=recorder,
        probes=probes,
        quiet=settings.quiet_paths,
        lifecycle=lifecycle,
        take_id=id_taker(parts.logs.redactor.text),
        headers=ResponseHeaders(named) if (named := settings.response_headers) else None,
    )


def _probes(app: Starlette, parts: Parts) -> Probes:
    settings = parts.settings
    chosen = settings.health_path != conventions.Path.HEALTH
    probes = {
        path: Probe(answer, chosen=chosen, guarded=False)
        for path, answer in parts.health.endpoints.items()
    }
    path = settings.metrics_path
    if settings.metrics_enabled:
        token = settings.metrics_token
        endpoint = MetricsEndpoint(parts.metrics, token, settings.multiproc_dir)
        parts.health.serve(path or conventions.Path.METRICS, endpoint)
        if settings.management_port is None and path is not None:
            chosen = path != conventions.Path.METRICS
            probes[path] = Probe(endpoint, chosen=chosen, guarded=token is None)
    if parts.console is not None and settings.management_port is None:
        console = Probe(parts.console.endpoint, chosen=True, guarded=False)
        probes |= dict.fromkeys((conventions.Path.CONSOLE, f"{conventions.Path.CONSOLE}/"), console)
    return Probes(app, probes)


def _query_report(parts: Parts) -> Callable[[RequestContext], None]:
    from etter_obs._internal.database.requests import RequestQueries

    return RequestQueries(parts.metrics, parts.settings.n_plus_one_threshold).finish


def _recorder(parts: Parts) -> Callable[..., Recorder]:
    if parts.console is None:
        return Recorder
    from etter_obs._internal.console.recording import WatchedRecorder

    return partial(WatchedRecorder, finished=parts.console.recording.finished)


def _error_report(parts: Parts) -> Callable[[BaseException, RequestContext], None]:
    def report(error: BaseException, request: RequestContext) -> None:
        parts.requests.exception(request.endpoint, error)
        parts.errors.capture(error, request)

    if parts.console is None:
        return report
    show = parts.console.recording.exception

    def report_and_show(error: BaseException, request: RequestContext) -> None:
        report(error, request)
        show(error, request)

    return report_and_show
