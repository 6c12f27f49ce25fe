"""The app: routes, middleware, errors. One call near the end makes it observable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from etter_obs import setup_observability
from examples.etter_backend.backend import Backend
from examples.etter_backend.common import error_handlers
from examples.etter_backend.controls.faults import fault_router
from examples.etter_backend.controls.features import Feature, feature_router
from examples.etter_backend.middleware.etag import ETagMiddleware
from examples.etter_backend.middleware.rate_limit import RateLimitMiddleware
from examples.etter_backend.middleware.switched import Switched
from examples.etter_backend.routes import ROUTERS
from examples.etter_backend.routes.auth import demo_router

_PREFIX = "/api/etter"
_PREPARED_WITHIN = 4.0


def create_app(backend: Backend) -> FastAPI:
    """Return the observed app."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        """Start what the routes need, without waiting for an unreachable database."""
        async with backend.running():
            preparing = asyncio.create_task(backend.preparation.run())
            await asyncio.wait({preparing}, timeout=_PREPARED_WITHIN)
            yield
            preparing.cancel()

    app = FastAPI(title="Etter backend", lifespan=lifespan)
    app.state.backend = backend
    for router in ROUTERS:
        app.include_router(router, prefix=_PREFIX)
    if backend.settings.demo:
        app.include_router(fault_router(backend.faults), prefix=_PREFIX)
        app.include_router(feature_router(backend.features, backend.before_flip), prefix=_PREFIX)
        app.include_router(demo_router, prefix=_PREFIX)
    _add_middleware(app, backend)
    error_handlers.install(app)
    app.state.observability = observability = setup_observability(
        app,
        engine={
            "database": backend.engines.asynchronous,
            "database-sync": backend.engines.synchronous,
        },
        redis=backend.redis.client,
    )
    observability.health.add("search", backend.has_companies, critical=False, timeout=1.0)
    return app


def _add_middleware(app: FastAPI, backend: Backend) -> None:
    """Add the middleware; the last one added is the outermost.

    Compression is outside the ETags, which are computed from the body. The rate limit is outermost,
    so a refused request costs as little as possible.
    """
    settings = backend.settings
    limit = partial(
        RateLimitMiddleware,
        pool=backend.redis.pool,
        requests=settings.rate_limit_requests,
        window=settings.rate_limit_window,
    )
    for feature, middleware in (
        (Feature.ETAG, ETagMiddleware),
        (Feature.GZIP, partial(GZipMiddleware, minimum_size=1_000)),
        (Feature.RATE_LIMIT, limit),
    ):
        is_on = partial(backend.features.is_on, feature)
        app.add_middleware(Switched, through=middleware, is_on=is_on)
