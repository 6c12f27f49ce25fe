"""The envelopes of responses."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

T = TypeVar("T")

ENVELOPE_TIME: Final = re.compile(
    rb'\A\{"status":"success",.*(,"timestamp":"[^"]{20,32}")\}\Z', re.DOTALL
)
"""Matches the body of an envelope; the group is its time, the last field."""


def _now() -> datetime:
    return datetime.now(UTC)


def made_at() -> Any:
    """Return the field for the time of an envelope."""
    return Field(default_factory=_now, description="when the response was created, in UTC")


class APIResponse(BaseModel, Generic[T]):
    """The envelope of a successful response."""

    status: Literal["success"] = "success"
    data: T
    message: str | None = None
    timestamp: datetime = made_at()


class PaginatedResponse(BaseModel, Generic[T]):
    """A page, selected by its number."""

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
    """A page, selected by the cursor of the previous page."""

    status: Literal["success"] = "success"
    data: list[T]
    next_cursor: Annotated[
        str | None, Field(description="cursor of the next page; null on the last page")
    ]
    timestamp: datetime = made_at()


class FailureResponse(BaseModel):
    """The envelope of every failed response."""

    status: Literal["failure"] = "failure"
    error_code: str
    message: str
    metadata: dict[str, Any] = {}
    request_id: str | None = None
    timestamp: datetime = made_at()
