"""Writes the rows in batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from sqlalchemy import Connection, insert, select, text

from examples.etter_backend.models import Company
from examples.etter_backend.seed.rows import Invention
from examples.etter_backend.seed.scale import Scale

_BATCH = 1_000

Progress = Callable[[str, int, int], None]
"""Called with the table's name, the rows written and the total."""


def is_empty(connection: Connection) -> bool:
    """Return whether the tables have no rows."""
    return connection.scalar(select(Company.id).limit(1)) is None


def seed(connection: Connection, scale: Scale, progress: Progress | None = None) -> None:
    """Write all rows; the caller commits.

    Args:
        connection: to a database with empty tables.
        scale: how many rows.
        progress: called after each batch.
    """
    for model, count, rows in Invention(scale).tables():
        done = 0
        while batch := list(itertools.islice(rows, _BATCH)):
            connection.execute(insert(model), batch)
            done += len(batch)
            if progress is not None:
                progress(model.__tablename__, done, count)
        if connection.dialect.name == "postgresql":
            # Explicit ids do not advance the sequence.
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :count)"),
                {"table": model.__tablename__, "count": count},
            )
