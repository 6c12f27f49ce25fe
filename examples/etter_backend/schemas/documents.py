"""Documents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from examples.etter_backend.common.validators import Line, Text

DocumentStatus = Literal["draft", "final", "archived"]


class DocumentIn(BaseModel):
    """A document that a client sends. The tenant is the user's own."""

    model_config = ConfigDict(extra="forbid")

    title: Line
    description: Text = ""
    content: Annotated[Text, Field(min_length=1)]
    status: DocumentStatus = "draft"


class DocumentOut(BaseModel):
    """A stored document; lists shorten its texts."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    tenant_id: int
    title: str
    description: str
    content: str
    status: DocumentStatus
    created_at: datetime
