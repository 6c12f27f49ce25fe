"""The settings of this backend; no other module reads the environment."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from examples.etter_backend.controls.features import Feature, parse_features

_OWN_DIR: Final = Path(tempfile.gettempdir()) / f"etter-backend-{os.getuid()}"
_SECRETS: Final = ("ETTER_DB_PASSWORD", "REDIS_PASSWORD", "ETTER_AUTH_SECRET")
"""Variables that may be in a file instead, named by the same name with ``_FILE``."""
_BACKENDS: Final = ("postgresql", "sqlite")

Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1, le=100_000_000)]


class SettingsError(ValueError):
    """The environment is invalid; the message has one line per variable."""


def _env(name: str, default: Any = None, **options: Any) -> Any:
    return Field(default, validation_alias=name, **options)


class Settings(BaseModel):
    """All settings. Without a database and Redis, the backend starts both itself.

    ``setup_observability`` reads LOG_LEVEL, ENABLE_METRICS, APM_ENABLED, OTLP_ENDPOINT,
    ERROR_TRACKING_ENABLED, SENTRY_DSN and its other variables.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    run_dir: Path = _env("ETTER_RUN_DIR", _OWN_DIR)
    """Folder of the SQLite file, the state of the switches and the signing secret."""
    url: str | None = _env("DATABASE_URL", repr=False)
    db_host: str | None = _env("ETTER_DB_HOST")
    db_port: Port = _env("ETTER_DB_PORT", 5432)
    db_user: str | None = _env("ETTER_DB_USER")
    db_password: SecretStr | None = _env("ETTER_DB_PASSWORD")
    db_name: str | None = _env("ETTER_DB_NAME")
    pool_size: Count = _env("DB_POOL_SIZE", 20)
    max_overflow: Annotated[int, Field(ge=0)] = _env("DB_MAX_OVERFLOW", 40)
    pool_recycle: Count = _env("DB_POOL_RECYCLE", 3600)
    max_connections: Count = _env("ETTER_DB_MAX_CONNECTIONS", 48)
    """Limit on the connections of all workers together."""
    workers: Count = _env("WEB_CONCURRENCY", 1)
    statement_timeout_ms: Count = _env("ETTER_DB_STATEMENT_TIMEOUT_MS", 30_000)
    redis_url: str | None = _env("REDIS_URL", repr=False)
    redis_host: str | None = _env("REDIS_HOST")
    redis_port: Port = _env("REDIS_PORT", 6379)
    redis_db: Annotated[int, Field(ge=0)] = _env("REDIS_DB", 0)
    redis_password: SecretStr | None = _env("REDIS_PASSWORD")
    redis_max_connections: Count = _env("REDIS_MAX_CONNECTIONS", 50)
    cache_seconds: Count = _env("CACHE_EXPIRATION_SECONDS", 3600)
    adjacency_seconds: Count = _env("ADJACENCY_EXPIRATION_SECONDS", 86_400)
    rate_limit_requests: Count = _env("RATE_LIMIT_REQUESTS", 1000)
    rate_limit_window: Count = _env("RATE_LIMIT_WINDOW", 60)
    model_url: Annotated[str | None, Field(pattern="^https?://[^/?#]+$")] = _env("ETTER_MODEL_URL")
    """URL of the model service; without it this app also serves as one."""
    auth_secret: Annotated[SecretStr | None, Field(min_length=32)] = _env("ETTER_AUTH_SECRET")
    """Signs the tokens; without it a random one is stored in ``run_dir``."""
    demo: bool = _env("ETTER_FAULTS", False)
    """Enables the routes of the demo: faults, features, tokens without a password."""
    features: frozenset[Feature] = _env("ETTER_FEATURES", "all", validate_default=True)

    @field_validator("features", mode="before")
    @classmethod
    def _read_features(cls, given: str) -> frozenset[Feature]:
        return parse_features(given)

    @model_validator(mode="after")
    def _is_consistent(self) -> Settings:
        if self.url is not None:
            if self.db_host is not None:
                raise ValueError("DATABASE_URL and ETTER_DB_HOST are both set; set one of them")
            try:
                backend = make_url(self.url).get_backend_name()
            except ArgumentError:
                backend = ""
            if backend not in _BACKENDS:
                raise ValueError("DATABASE_URL is no URL of postgresql:// or sqlite://")
        elif self.db_host is not None and not (self.db_user and self.db_name):
            raise ValueError("ETTER_DB_HOST requires ETTER_DB_USER and ETTER_DB_NAME")
        if self.redis_url is not None and self.redis_host is not None:
            raise ValueError("REDIS_URL and REDIS_HOST are both set; set one of them")
        if self.workers > self.max_connections:
            raise ValueError(
                f"WEB_CONCURRENCY is {self.workers}; ETTER_DB_MAX_CONNECTIONS "
                f"({self.max_connections}) must leave each worker a connection"
            )
        return self

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment; an empty value counts as not set.

        Raises:
            SettingsError: a variable has an invalid value.
        """
        values = {name: value for name, value in environment.items() if value}
        for name in _SECRETS:
            if path := values.get(f"{name}_FILE"):
                try:
                    values[name] = Path(path).read_text(encoding="utf-8").strip()
                except OSError as error:
                    raise SettingsError(f"{name}_FILE: {path}: {error.strerror}") from None
        try:
            settings = cls.model_validate(values)
        except ValidationError as errors:
            raise SettingsError("\n".join(_lines(errors, values))) from None
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return settings

    @classmethod
    def or_exit(cls) -> Settings:
        """Read the environment; if it is invalid, print only the error and exit with 2."""
        try:
            return cls.from_env()
        except SettingsError as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(2) from None

    @property
    def database_url(self) -> URL:
        """URL of the database; default: an SQLite file."""
        if self.url is not None:
            return make_url(self.url)
        if self.db_host is not None:
            password = self.db_password.get_secret_value() if self.db_password else None
            return URL.create(
                "postgresql", self.db_user, password, self.db_host, self.db_port, self.db_name
            )
        return URL.create("sqlite", database=str(self.run_dir.absolute() / "backend.sqlite3"))

    @property
    def pool(self) -> tuple[int, int]:
        """Size and overflow of one worker's pool.

        DB_POOL_SIZE and DB_MAX_OVERFLOW are upper limits. Each worker has its share of
        ``max_connections``; otherwise four workers could open 240.
        """
        share = self.max_connections // self.workers
        kept = min(self.pool_size, share)
        return kept, min(self.max_overflow, share - kept)


def _lines(errors: ValidationError, values: Mapping[str, str]) -> list[str]:
    """Return a line for each invalid variable, without the value of a secret."""
    lines = []
    for error in errors.errors(include_url=False, include_context=False):
        message = error["msg"].removeprefix("Value error, ")
        name = str(error["loc"][0]) if error["loc"] else ""
        if not name:
            lines.append(message)
        elif name in _SECRETS or name not in values:
            lines.append(f"{name}: {message}")
        else:
            lines.append(f"{name} is {values[name]!r}: {message}")
    return lines
