"""Amounts of data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scale:
    """Number of rows. Each company has 4 workflows, each workflow 12 dashboard entries."""

    companies: int
    users: int
    history: int
    documents: int


SMALL: Final = Scale(companies=64, users=640, history=3_200, documents=1_280)
"""Used by the backend for an empty database."""
LARGE: Final = Scale(companies=512, users=20_000, history=200_000, documents=50_000)
"""Enough for an index to matter. The first company is the largest, with a seventh of the rows."""
