"""The parts of the backend, created once per app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY
from sqlalchemy import Connection, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from examples.etter_backend.cache.client import RedisStore
from examples.etter_backend.common.async_helpers import ExternalServices
from examples.etter_backend.controls.faults import FaultSwitch
from examples.etter_backend.controls.features import Feature, FeatureSwitch
from examples.etter_backend.database import Database
from examples.etter_backend.database.engines import make_engines
from examples.etter_backend.database.preparation import Preparation
from examples.etter_backend.models import Company
from examples.etter_backend.services.adjacency import AdjacencyService
from examples.etter_backend.services.auth import Tokens
from examples.etter_backend.services.chro import ChroService
from examples.etter_backend.services.companies import CompanyService
from examples.etter_backend.services.documents import DocumentService
from examples.etter_backend.services.simulation import SimulationService
from examples.etter_backend.services.users import UserService
from examples.etter_backend.services.workflows import HistoryService, WorkflowService
from examples.etter_backend.settings import Settings


class Backend:
    """Switches, clients and services.

    Args:
        settings: from the environment.
        connections: an async and a sync connection whose transactions all sessions join. Tests
            roll them back.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        connections: tuple[AsyncConnection, Connection] | None = None,
    ) -> None:
        self.settings = settings
        state = settings.run_dir
        self.faults = FaultSwitch(state / "faults.json", enabled=settings.demo)
        flips = state / "features.json" if settings.demo else None
        self.features = FeatureSwitch(settings.features, flips)
        self.engines = make_engines(settings, self.faults)
        asynchronous, synchronous = connections or self.engines
        self.database = Database(asynchronous, synchronous, self.features)
        self.preparation = Preparation(settings, self.engines.synchronous, self.features)
        self.redis = RedisStore(settings, self.faults)
        self.external = ExternalServices(
            self.features, [settings.model_url] if settings.model_url else []
        )
        self.tokens = Tokens.of(settings)
        self.users = UserService(self.database, self.features, settings)
        self.companies = CompanyService(self.database, self.features, settings)
        self.workflows = WorkflowService(self.database, self.features)
        self.history = HistoryService(self.database, self.features)
        self.documents = DocumentService(self.database, self.features)
        self.chro = ChroService(self.database, self.features)
        self.adjacency = AdjacencyService(self.external, self.features, settings)
        self.simulations = SimulationService(self.features)

    def model_url(self, connection: HTTPConnection) -> str:
        """Return the URL of the model service.

        Without one this app also serves as one, so that a trace shows both sides.
        """
        if self.settings.model_url is not None:
            return self.settings.model_url
        host, port = connection.scope["server"]  # the server's socket, not the Host header
        url = f"http://{host}:{port}"
        self.external.allow(url)
        return url

    async def before_flip(self, feature: Feature, enabled: bool) -> None:
        """Create or drop the indexes before their feature is flipped."""
        if feature is Feature.INDEXES:
            await self.preparation.set_indexes(enabled)

    async def has_companies(self) -> bool:
        """Return whether the search has data, not only whether the database answers."""

        def work(session: Session) -> bool:
            return session.scalar(select(Company.id).limit(1)) is not None

        return await self.database.read(work)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the embedded Redis and the metric of the features; close all clients at the end."""
        REGISTRY.register(self.features)
        try:
            async with self.redis.running():
                yield
        finally:
            REGISTRY.unregister(self.features)
            await self.external.close()
            await self.engines.dispose()
