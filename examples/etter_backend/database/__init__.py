"""Engines, sessions, and what is done before the first request."""

from examples.etter_backend.database.sessions import Database

__all__ = ["Database"]
