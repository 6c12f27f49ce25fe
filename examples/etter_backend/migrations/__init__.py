"""The revisions of the schema (Alembic), and how to apply them.

python -m examples.etter_backend.migrations           # prints the current revision
python -m examples.etter_backend.migrations indexes   # or: tables, without the indexes
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine

TABLES = "tables"
INDEXES = "indexes"
"""The ids of the two revisions; this one is the head."""


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for this database, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine, revision: str) -> None:
    """Bring the schema to ``revision``, up or down; a second call does nothing.

    Only one process may call it at a time. Alembic takes no lock, and a lock in PostgreSQL would
    deadlock with ``CREATE INDEX CONCURRENTLY``, which waits for all transactions.
    """
    with engine.connect() as connection:
        at = current(connection)
        if at == revision:
            return
        connection.rollback()  # reading has begun a transaction
        config = alembic_config(connection)
        if at == INDEXES:
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)


def current(connection: Connection) -> str | None:
    """Return the revision of the database; None: it is empty."""
    return MigrationContext.configure(connection).get_current_revision()
