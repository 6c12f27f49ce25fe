"""A FastAPI app with traces on, called in-process, each request in its own task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from etter_obs import Observability, Settings, setup_observability
from tests.services import Receiver


class Client:
    """Asks an app."""

    def __init__(self, app: FastAPI, observability: Observability) -> None:
        self.observability = observability
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://app"
        )

    async def get(self, path: str, headers: Any = None) -> httpx.Response:
        """Send one GET."""
        return await self.request("GET", path, headers)

    async def request(self, method: str, path: str, headers: Any = None) -> httpx.Response:
        """Send one request, as a server would: in a task of its own."""
        return await asyncio.create_task(self._http.request(method, path, headers=headers))


def settings_for(otlp: Receiver, **changes: Any) -> Settings:
    """Return settings with traces on, exported to ``otlp``, every trace kept unless changed."""
    return Settings(
        **{
            "apm_enabled": True,
            "otlp_endpoint": otlp.endpoint,
            "otlp_logs_enabled": False,
            "sampler": "parentbased_always_on",
            "shutdown_deadline": 30.0,  # what is exported by then is what a test looks at
            **changes,
        }
    )


@asynccontextmanager
async def observed(app: FastAPI, otlp: Receiver, **changes: Any) -> AsyncIterator[Client]:
    """Observe ``app``; leaving the block shuts the observation down, which exports the rest."""
    parts = {key: changes.pop(key) for key in ("engine", "redis") if key in changes}
    settings = settings_for(otlp, **changes)
    observability = setup_observability(app, settings=settings, **parts)
    try:
        yield Client(app, observability)
    finally:
        await asyncio.to_thread(observability.shutdown)
