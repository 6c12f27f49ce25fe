"""Companies: the tenants."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from examples.etter_backend.models.base import Base, Key


class Company(Base):
    """A company that has users, workflows and documents."""

    __tablename__ = "companies"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(80))
    industry: Mapped[str] = mapped_column(String(40))
