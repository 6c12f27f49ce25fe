"""Creates the schema and some rows before the first request."""

from __future__ import annotations

import asyncio
import fcntl

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from etter_obs import get_logger
from examples.etter_backend.controls.features import Feature, FeatureSwitch
from examples.etter_backend.migrations import INDEXES, TABLES, current, migrate
from examples.etter_backend.seed import SMALL, is_empty, seed
from examples.etter_backend.settings import Settings

logger = get_logger(__name__)

_RETRY_SECONDS = 5


class Preparation:
    """Brings the schema to the revision of the features, one worker at a time."""

    def __init__(self, settings: Settings, engine: Engine, features: FeatureSwitch) -> None:
        self._engine = engine
        self._features = features
        self._lock = settings.run_dir / "schema.lock"

    async def run(self) -> None:
        """Create and fill the tables, once; retry until the database is reachable."""
        while True:
            try:
                await asyncio.to_thread(self._prepare)
            except (OSError, SQLAlchemyError) as error:
                logger.warning("database is not ready yet", error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def set_indexes(self, wanted: bool) -> None:
        """Create or drop the indexes while others read and write."""
        await asyncio.to_thread(self._migrate, wanted)

    def _prepare(self) -> None:
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._engine.connect() as connection:
                is_new = current(connection) is None
            if is_new:
                migrate(self._engine, TABLES)
            with self._engine.begin() as connection:
                if is_empty(connection):
                    seed(connection, SMALL)
        self._migrate(self._features.is_on(Feature.INDEXES))

    def _migrate(self, indexes: bool) -> None:
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            migrate(self._engine, INDEXES if indexes else TABLES)
