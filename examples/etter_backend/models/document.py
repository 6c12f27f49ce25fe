"""Documents."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from examples.etter_backend.models.base import Base, Created, Key
from examples.etter_backend.models.company import Company


class Document(Base):
    """A document of a tenant."""

    __tablename__ = "documents"
    __table_args__ = (
        Index("idx_document_tenant_id", "tenant_id"),
        Index("idx_document_status", "status"),
        Index("idx_document_created_at", "created_at"),
        Index("idx_document_keyset", "tenant_id", "created_at", "id"),
    )

    id: Mapped[Key]
    tenant_id: Mapped[int] = mapped_column(ForeignKey(Company.id))
    title: Mapped[str] = mapped_column(String(160))
    description: Mapped[str] = mapped_column(Text)
    content: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), default="draft")
    created_at: Mapped[Created]
