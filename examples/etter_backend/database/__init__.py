"""Engines, sessions, and the preparation of the database."""

from examples.etter_backend.database.sessions import Database

__all__ = ["Database"]
