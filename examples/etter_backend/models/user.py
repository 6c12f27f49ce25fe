"""Users."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from examples.etter_backend.models.base import Base, Created, Key
from examples.etter_backend.models.company import Company


class User(Base):
    """A user of a company; the address is unique and in lower case."""

    __tablename__ = "users"
    __table_args__ = (
        Index("idx_user_email", "email", unique=True),
        Index("idx_user_company_id", "company_id"),
    )

    id: Mapped[Key]
    company_id: Mapped[int] = mapped_column(ForeignKey(Company.id))
    email: Mapped[str] = mapped_column(String(254))
    username: Mapped[str] = mapped_column(String(80))
    job_title: Mapped[str] = mapped_column(String(80))
    is_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Created]
    company: Mapped[Company] = relationship()
