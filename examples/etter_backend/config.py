"""The settings of this backend, from its environment variables."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

_OWN_DIR = Path(tempfile.gettempdir()) / f"etter-backend-{os.getuid()}"


@dataclass(frozen=True, slots=True)
class Config:
    """URLs of the database and Redis. Without them the backend starts both itself."""

    run_dir: Path
    database_url: str
    redis_url: str | None
    pool_size: int
    max_overflow: int
    pool_recycle: int
    redis_max_connections: int
    cache_seconds: int
    adjacency_seconds: int
    faults: bool
    model_url: str | None

    @classmethod
    def from_env(cls) -> Config:
        """Read the environment; ETTER_RUN_DIR has the SQLite file and the state of the faults."""
        env = os.environ.get
        run_dir = Path(env("ETTER_RUN_DIR") or _OWN_DIR).absolute()
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(
            run_dir=run_dir,
            database_url=env("DATABASE_URL") or f"sqlite:///{run_dir / 'etter.sqlite3'}",
            redis_url=env("REDIS_URL"),
            pool_size=int(env("DB_POOL_SIZE") or 20),
            max_overflow=int(env("DB_MAX_OVERFLOW") or 40),
            pool_recycle=int(env("DB_POOL_RECYCLE") or 3600),
            redis_max_connections=int(env("REDIS_MAX_CONNECTIONS") or 50),
            cache_seconds=int(env("CACHE_EXPIRATION_SECONDS") or 3600),
            adjacency_seconds=int(env("ADJACENCY_EXPIRATION_SECONDS") or 86_400),
            faults=env("ETTER_FAULTS", "off").lower() == "on",
            model_url=env("ETTER_MODEL_URL"),
        )


config = Config.from_env()
