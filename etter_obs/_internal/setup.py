"""Set up observability: read the environment and the spec, and observe an app."""

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from etter_obs._internal.bundle import default_spec_path
from etter_obs._internal.observability import Observability
from etter_obs._internal.process_exit import before_exit
from etter_obs._internal.settings import Settings, SettingsError
from etter_obs._internal.slo.loading.loader import SpecError, load_specs
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.startup_errors import end_without_traceback

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from starlette.applications import Starlette

_observed: Final[weakref.WeakKeyDictionary[Starlette, Observability]] = weakref.WeakKeyDictionary()
_orphaned: Final[deque[Observability]] = deque()
"""Handles of apps that were freed without a shutdown. The set-up of the next app shuts them down,
because the garbage collector may run on any thread and must not wait."""
_SHUTDOWN_TIMEOUT: Final = 0.5
"""Timeout of each shutdown, in seconds."""


def setup_observability(
    app: Starlette,
    *,
    engine: Engine | AsyncEngine | Mapping[str, Engine | AsyncEngine] | None = None,
    redis: Redis | AsyncRedis | Mapping[str, Redis | AsyncRedis] | None = None,
    settings: Settings | None = None,
) -> Observability:
    """Observe a FastAPI (or Starlette) app: logs, metrics, traces, errors, health.

    All other options come from the environment. Call it before or after routes and middleware are
    added, at import, in a factory or in the lifespan. A second call for the same app adds its
    engines and clients and returns the handle of the first call.

    If the environment or slo.yaml is wrong and nothing catches the error, the process prints only
    the error and exits with 2. A part that a variable turns on but whose packages are not installed
    is disabled with one warning.

    Args:
        app: The app, before or after its start.
        engine: A sync or async SQLAlchemy engine, or several by name. Each is measured and checked.
        redis: A sync or async client of redis-py, or several by name. Each is measured and checked.
            ``cached`` functions store their results in the first one.
        settings: Replaces the environment; a second call ignores it.

    Returns:
        The handle, with ``obs.health.add(…)`` and ``obs.shutdown()``.

    Raises:
        SettingsError: An environment variable has a value that it does not accept.
        SpecError: slo.yaml is not valid.
    """
    while _orphaned:
        _orphaned.popleft().shutdown(_SHUTDOWN_TIMEOUT)
    known = _observed.get(app)
    if known is not None:
        known._observe_all(engine, redis)
        return known
    try:
        settings = settings or Settings.from_env()
        observability = Observability(settings, _spec(settings), _file_of_the_caller())
    except (SettingsError, SpecError) as error:
        end_without_traceback(error)
        raise
    try:
        observability._observe(app)
        observability._observe_all(engine, redis)
    except BaseException:
        observability.shutdown()
        raise
    _observed[app] = observability
    app_is_gone = weakref.finalize(app, _orphaned.append, observability)
    app_is_gone.atexit = False
    observability._on_shutdown(app_is_gone.detach)
    observability._on_shutdown(partial(_forget, weakref.ref(app)))
    observability._on_shutdown(before_exit(observability.shutdown))
    return observability


def _file_of_the_caller() -> str | None:
    file = sys._getframe(2).f_globals.get("__file__")
    return file if isinstance(file, str) else None


def _forget(app: weakref.ref[Starlette]) -> None:
    if (known := app()) is not None:
        _observed.pop(known, None)


def _spec(settings: Settings) -> Spec:
    specs = load_specs(settings.slo_file or default_spec_path(), settings.environment)
    named = [spec for spec in specs if spec.service == settings.service_name]
    return (named or specs)[0]
