"""The CHRO's dashboard."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from examples.etter_backend.models.base import Base, Created, Key
from examples.etter_backend.models.workflow import UserWorkflowHistory, Workflow


class Score(Base):
    """The computed share of a workflow that can be automated: 0 to 1."""

    __tablename__ = "scores"

    id: Mapped[Key]
    value: Mapped[float]
    computed_at: Mapped[Created]


class ChroDashboardEntry(Base):
    """A workflow in one function of its company, with the computed and the validated score."""

    __tablename__ = "chro_dashboard_entry"
    __table_args__ = (Index("idx_chro_dashboard_workflow_id", "workflow_id"),)

    id: Mapped[Key]
    workflow_id: Mapped[int] = mapped_column(ForeignKey(Workflow.id, ondelete="CASCADE"))
    function: Mapped[str] = mapped_column(String(40))
    headcount: Mapped[int]
    etter_score_id: Mapped[int] = mapped_column(ForeignKey(Score.id))
    validated_score_id: Mapped[int | None] = mapped_column(
        ForeignKey(UserWorkflowHistory.id, ondelete="SET NULL")
    )
    workflow: Mapped[Workflow] = relationship()
    etter_score: Mapped[Score] = relationship()
    validated_score: Mapped[UserWorkflowHistory | None] = relationship()
