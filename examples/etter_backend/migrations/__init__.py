"""The schema's revisions (Alembic), and how to apply them.

python -m examples.etter_backend.migrations           # says where the database is
python -m examples.etter_backend.migrations indexes   # or tables: without the indexes
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine

TABLES = "tables"
INDEXES = "indexes"
"""The ids of the two revisions; the second one is the head."""


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for this database; no file is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine, revision: str) -> None:
    """Bring the schema to ``revision``, up or down; a second call does nothing.

    Only one process may do this at a time: Alembic takes no lock, and on PostgreSQL none may be
    held in a transaction, because an index that is made concurrently waits for it.
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
    """Return the revision that the database is at; None: no table exists yet."""
    return MigrationContext.configure(connection).get_current_revision()
