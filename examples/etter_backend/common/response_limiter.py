"""Limits on what an answer may hold (the guide's section 5.4).

The number of rows is limited in the statement (``common/pagination.py``); this is about texts.
"""

from __future__ import annotations

from typing import Final, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

LONGEST: Final = 200
"""Characters of a text in a list; the resource by itself has all of it."""


def with_short_texts(row: M, *names: str) -> M:
    """Return a copy of ``row`` in which these texts are cut; the row itself stays whole."""
    long = {
        name: f"{text[:LONGEST]}…"
        for name in names
        if len(text := getattr(row, name, None) or "") > LONGEST
    }
    return row.model_copy(update=long) if long else row
