"""Run by Alembic for each command, on the connection of the caller."""

from __future__ import annotations

from alembic import context

from examples.etter_backend.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transaction_per_migration=True,  # so that indexes can be created outside of one
)
with context.begin_transaction():
    context.run_migrations()
