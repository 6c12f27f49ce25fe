"""The handle of an observed app: its parts, what it observes, how it ends."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from etter_obs._internal.app_resources import AppResources
from etter_obs._internal.lifecycle import AppLifecycle
from etter_obs._internal.parts import Parts
from etter_obs._internal.request_path import observed
from etter_obs._internal.requests.middleware import ObservabilityMiddleware
from etter_obs._internal.requests.middleware_stack import wrap_stack
from etter_obs._internal.settings import Settings
from etter_obs._internal.shutdown_deadline import ShutdownDeadline
from etter_obs._internal.slo.spec.models import Spec

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from starlette.applications import Starlette
    from starlette.types import ASGIApp


class Observability:
    """The handle of an observed app.

    Args:
        settings: The settings from the environment.
        spec: The spec from slo.yaml.
        app_file: The file that calls ``setup_observability``; a slo.yaml near it is suggested.

    Attributes:
        settings: The settings from the environment.
        spec: The spec from slo.yaml.
        metrics: The registry behind ``/metrics``.
        logs: The log pipeline.
        tracing: Samples and exports spans.
        errors: Reports errors to Sentry.
        health: The checks and their endpoints; ``health.add(name, check)`` registers your own
            check.
    """

    def __init__(self, settings: Settings, spec: Spec, app_file: str | None = None) -> None:
        self.settings = settings
        self.spec = spec
        self._app_file = app_file
        self._deadline = ShutdownDeadline()
        self._parts = parts = Parts(settings, spec, self._deadline, self.shutdown)
        self.metrics = parts.metrics
        self.logs = parts.logs
        self.tracing = parts.tracing
        self.errors = parts.errors
        self.health = parts.health
        self._side: Callable[[], AppResources | None] = lambda: None

    def flush(self, deadline: float, *, send: bool = True) -> bool:
        """Write and send everything that waits, all signals in parallel.

        Args:
            deadline: Timeout in seconds for all signals together.
            send: If false, log lines are written and nothing is sent.

        Returns:
            Whether everything was written and sent.
        """
        return self._parts.flush(deadline, send=send)

    def shutdown(self, deadline: float | None = None) -> None:
        """Flush, then undo every patch.

        All signals share the deadline. A back end that is known to be down is not waited for. The
        rest counts as dropped. A second call does nothing; afterwards ``setup_observability`` may
        be called again.

        Args:
            deadline: Timeout in seconds; default ``ETTER_OBS_SHUTDOWN_DEADLINE``.
        """
        if not self._deadline.has_begun:
            seconds = self.settings.shutdown_deadline if deadline is None else deadline
            self._deadline.begin(seconds)
            for part in (self.logs, self.tracing, self.errors):
                part.wake()
        if (side := self._side()) is not None:
            side.close()
        self._parts.undo.close()

    def _on_shutdown(self, undo: Callable[[], object]) -> None:
        """Make ``shutdown`` call ``undo`` before the undos that were registered earlier.

        Everything that ``undo`` refers to is kept alive until then.
        """
        self._parts.undo.callback(undo)

    def _observe(self, app: Starlette) -> None:
        """Wrap the middleware around the whole app, now or when it starts."""
        side = AppResources.of(app)
        self._side = weakref.ref(side)
        lifecycle = AppLifecycle(self._parts, side=self._side, app_file=self._app_file)
        self.health.leave_checks_to(side)
        side.callback(self.tracing.adopt(app))

        def around(inner: ASGIApp) -> ObservabilityMiddleware:
            return observed(app, inner, parts=self._parts, side=side, lifecycle=lifecycle)

        side.callback(wrap_stack(app, around))
        stack = app.middleware_stack
        if isinstance(stack, ObservabilityMiddleware):  # set up while the app runs
            lifecycle.begin_late(app, stack)
        elif self.settings.management_port is not None:
            lifecycle.begin_without_lifespan()

    def observe_engine(self, engine: Engine | AsyncEngine, *, name: str | None = None) -> None:
        """Measure a SQLAlchemy engine and register a critical health check of its database.

        Observing the same engine again changes nothing. An engine that is observed while the app
        runs, for example in its lifespan, is forgotten when the app starts again.

        Args:
            engine: A sync or async engine.
            name: Name of the health check and value of the label ``pool``. An older engine of that
                name is no longer observed. Default: ``database``, then ``database-2`` and so on.

        Raises:
            ImportError: SQLAlchemy is older than the minimum version; the message has the command
                to install another.
        """
        self._parts.clients.add_engine(engine, name)

    def observe_redis(self, client: Redis | AsyncRedis, *, name: str | None = None) -> None:
        """Measure a Redis client and register a health check; ``cached`` uses the first client.

        Observing the same client again changes nothing. A client that is observed while the app
        runs, for example in its lifespan, is forgotten when the app starts again.

        Args:
            client: A sync or async client of redis-py.
            name: Name of the health check. An older client of that name is no longer observed.
                Default: ``redis``, then ``redis-2`` and so on.

        Raises:
            ImportError: redis-py is older than the minimum version; the message has the command to
                install another.
        """
        self._parts.clients.add_redis(client, name)

    def _observe_all(
        self,
        engine: Engine | AsyncEngine | Mapping[str, Engine | AsyncEngine] | None,
        redis: Redis | AsyncRedis | Mapping[str, Redis | AsyncRedis] | None,
    ) -> None:
        """Observe an argument of ``setup_observability``: one client, or several by name."""
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
