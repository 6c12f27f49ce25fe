"""The indexes.

Two are redundant, because another index starts with the same column:
``idx_workflow_history_user_id`` (``idx_user_workflow_history_composite``) and
``idx_document_tenant_id`` (``idx_document_keyset``). They only cost writes and memory; they exist
because docs/guide.md maps them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

revision = "indexes"
down_revision = "tables"

_UNIQUE = {"idx_user_email"}
_INDEXES = {
    "idx_user_email": ("users", ["email"]),
    "idx_user_company_id": ("users", ["company_id"]),
    "idx_workflow_history_user_id": ("user_workflow_history", ["user_id"]),
    "idx_workflow_history_workflow_id": ("user_workflow_history", ["workflow_id"]),
    "idx_workflow_history_status": ("user_workflow_history", ["status"]),
    "idx_document_tenant_id": ("documents", ["tenant_id"]),
    "idx_document_status": ("documents", ["status"]),
    "idx_document_created_at": ("documents", ["created_at"]),
    "idx_chro_dashboard_workflow_id": ("chro_dashboard_entry", ["workflow_id"]),
    "idx_user_workflow_history_composite": (
        "user_workflow_history",
        ["user_id", "workflow_id", "status"],
    ),
    "idx_document_keyset": ("documents", ["tenant_id", "created_at", "id"]),
}


@contextmanager
def _outside_of_a_transaction() -> Iterator[bool]:
    """Yield whether indexes can be created concurrently: on PostgreSQL, outside a transaction."""
    if op.get_bind().dialect.name != "postgresql":
        yield False
        return
    with op.get_context().autocommit_block():
        yield True


def upgrade() -> None:
    """Create the indexes; replace one that an interrupted run left invalid."""
    with _outside_of_a_transaction() as concurrently:
        for name, (table, columns) in _INDEXES.items():
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=concurrently)
            op.create_index(
                name,
                table,
                columns,
                unique=name in _UNIQUE,
                postgresql_concurrently=concurrently,
            )
        if concurrently:
            op.execute("ANALYZE")  # a bulk load leaves the statistics outdated


def downgrade() -> None:
    """Drop the indexes."""
    with _outside_of_a_transaction() as concurrently:
        for name, (table, _) in _INDEXES.items():
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=concurrently)
