"""Fixtures that every test may use."""

from tests.parts import no_tracing, registry
from tests.services import otlp, postgres, redis_server, shared_postgres

__all__ = ["no_tracing", "otlp", "postgres", "redis_server", "registry", "shared_postgres"]
