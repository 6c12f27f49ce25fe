"""Pages, by number with totals and by cursor."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import Annotated, Generic, NamedTuple, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, ValidationError

from examples.etter_backend.common.exceptions import InvalidInputError
from examples.etter_backend.schemas.base import PaginatedResponse

T = TypeVar("T")

Size = Annotated[int, Query(ge=1, le=1_000, description="rows per page")]


class Page(NamedTuple):
    """The requested page; the first one is 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """Number of rows before this page."""
        return (self.number - 1) * self.size


def _page(
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Size = 50,
) -> Page:
    return Page(page, page_size)


PageWanted = Annotated[Page, Depends(_page)]


class Found(NamedTuple, Generic[T]):
    """The rows of a page, and the number of all rows."""

    rows: Sequence[T]
    total: int

    def as_response(self, page: Page) -> PaginatedResponse[T]:
        """Return the response for this page."""
        pages = ceil(self.total / page.size)
        return PaginatedResponse(
            data=list(self.rows),
            total=self.total,
            page=page.number,
            page_size=page.size,
            total_pages=pages,
            has_next=page.number < pages,
            has_prev=page.number > 1,
        )


class Cursor(BaseModel):
    """Start of the next page: the key of the last row, and the number of rows so far.

    It has both, so a client can continue after the switch of keyset pages is flipped.
    """

    created_at: datetime
    id: int
    rows: int

    def as_text(self) -> str:
        """Return it as opaque text."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Return the cursor that a client sends.

        Raises:
            InvalidInputError: the text is not a cursor.
        """
        try:
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            cursor = cls.model_validate_json(data)
        except (ValidationError, binascii.Error, ValueError):
            raise InvalidInputError("not a cursor of this service", field="cursor") from None
        if cursor.created_at.tzinfo is None or cursor.rows < 0:
            raise InvalidInputError("not a cursor of this service", field="cursor")
        return cursor


def _cursor(cursor: Annotated[str | None, Query(max_length=200)] = None) -> Cursor | None:
    return Cursor.parse(cursor) if cursor else None


CursorWanted = Annotated[Cursor | None, Depends(_cursor)]
