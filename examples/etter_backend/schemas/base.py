"""The envelopes of every answer (the guide's section 1.1)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

T = TypeVar("T")

ENVELOPE_TIME: Final = re.compile(
    rb'\A\{"status":"success",.*(,"timestamp":"[^"]{20,32}")\}\Z', re.DOTALL
)
"""An envelope's body; the group is its time, which is the last field and is no part of the data."""


def _now() -> datetime:
    return datetime.now(UTC)


def made_at() -> Any:
    """Return the field of an envelope's time."""
    return Field(default_factory=_now, description="when the answer was made, UTC")


class APIResponse(BaseModel, Generic[T]):
    """The answer of a request that succeeded."""

    status: Literal["success"] = "success"
    data: T
    message: str | None = None
    timestamp: datetime = made_at()


class PaginatedResponse(BaseModel, Generic[T]):
    """One page of many, by its number."""

    status: Literal["success"] = "success"
    data: list[T]
    total: int
    page: int
    page_size: int
    total_pages: int
    has_next: bool
    has_prev: bool
    timestamp: datetime = made_at()


class CursorResponse(BaseModel, Generic[T]):
    """One page of many, by the cursor that the page before gave."""

    status: Literal["success"] = "success"
    data: list[T]
    next_cursor: Annotated[str | None, Field(description="of the next page; null: the last one")]
    timestamp: datetime = made_at()


class FailureResponse(BaseModel):
    """The answer of a request that failed, for whatever reason."""

    status: Literal["failure"] = "failure"
    error_code: str
    message: str
    metadata: dict[str, Any] = {}
    request_id: str | None = None
    timestamp: datetime = made_at()
