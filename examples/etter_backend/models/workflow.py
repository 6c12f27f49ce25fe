"""Workflows and their history."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from examples.etter_backend.models.base import Base, Created, Key, UtcDateTime
from examples.etter_backend.models.company import Company
from examples.etter_backend.models.user import User


class Workflow(Base):
    """A workflow of a company; its title is unique there."""

    __tablename__ = "workflows"
    __table_args__ = (UniqueConstraint("company_id", "title"),)

    id: Mapped[Key]
    company_id: Mapped[int] = mapped_column(ForeignKey(Company.id))
    title: Mapped[str] = mapped_column(String(120))
    status: Mapped[str] = mapped_column(String(16), default="draft")
    company: Mapped[Company] = relationship()


class UserWorkflowHistory(Base):
    """A run of a workflow by a user."""

    __tablename__ = "user_workflow_history"
    __table_args__ = (
        Index("idx_workflow_history_user_id", "user_id"),
        Index("idx_workflow_history_workflow_id", "workflow_id"),
        Index("idx_workflow_history_status", "status"),
        Index("idx_user_workflow_history_composite", "user_id", "workflow_id", "status"),
    )

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    workflow_id: Mapped[int] = mapped_column(ForeignKey(Workflow.id, ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(16))
    score: Mapped[float]
    started_at: Mapped[Created]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    user: Mapped[User] = relationship()
    workflow: Mapped[Workflow] = relationship()
