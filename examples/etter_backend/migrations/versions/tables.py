"""The tables, without indexes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "tables"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "companies",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("industry", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_companies"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("company_id", sa.Integer, nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("username", sa.String(80), nullable=False),
        sa.Column("job_title", sa.String(80), nullable=False),
        sa.Column("is_admin", sa.Boolean, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name="fk_users_company_id"),
    )
    op.create_table(
        "workflows",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("company_id", sa.Integer, nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workflows"),
        sa.UniqueConstraint("company_id", "title", name="uq_workflows_company_id_title"),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name="fk_workflows_company_id"),
    )
    op.create_table(
        "user_workflow_history",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("workflow_id", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_user_workflow_history"),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name="fk_user_workflow_history_user_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name="fk_user_workflow_history_workflow_id",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("title", sa.String(160), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.ForeignKeyConstraint(["tenant_id"], ["companies.id"], name="fk_documents_tenant_id"),
    )
    op.create_table(
        "scores",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("computed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scores"),
    )
    op.create_table(
        "chro_dashboard_entry",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("workflow_id", sa.Integer, nullable=False),
        sa.Column("function", sa.String(40), nullable=False),
        sa.Column("headcount", sa.Integer, nullable=False),
        sa.Column("etter_score_id", sa.Integer, nullable=False),
        sa.Column("validated_score_id", sa.Integer, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_chro_dashboard_entry"),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name="fk_chro_dashboard_entry_workflow_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["etter_score_id"], ["scores.id"], name="fk_chro_dashboard_entry_etter_score_id"
        ),
        sa.ForeignKeyConstraint(
            ["validated_score_id"],
            ["user_workflow_history.id"],
            name="fk_chro_dashboard_entry_validated_score_id",
            ondelete="SET NULL",
        ),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "chro_dashboard_entry",
        "scores",
        "documents",
        "user_workflow_history",
        "workflows",
        "users",
        "companies",
    ):
        op.drop_table(table)
