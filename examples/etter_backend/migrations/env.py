"""What Alembic runs for each command; the connection is the caller's."""

from __future__ import annotations

from alembic import context

from examples.etter_backend.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transaction_per_migration=True,  # or an index could not be made outside of one
)
with context.begin_transaction():
    context.run_migrations()
