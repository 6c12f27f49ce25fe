"""Fixtures that every test may use."""

from tests.services import otlp, postgres, redis_server, shared_postgres

__all__ = ["otlp", "postgres", "redis_server", "shared_postgres"]
