"""Limits on the texts of a response; the page size limits its rows."""

from __future__ import annotations

from typing import Final, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

LONGEST: Final = 200
"""Longest text of a row in a list, in characters."""


def with_short_texts(row: M, *names: str) -> M:
    """Return a copy of ``row`` with these texts shortened; ``row`` is not changed."""
    long = {
        name: f"{text[:LONGEST]}…"
        for name in names
        if len(text := getattr(row, name, None) or "") > LONGEST
    }
    return row.model_copy(update=long) if long else row
