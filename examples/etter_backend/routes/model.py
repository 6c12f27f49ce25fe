"""Plays the model service where none is configured: it ranks, after a moment's thought."""

from __future__ import annotations

import asyncio
import zlib
from typing import Annotated

from fastapi import APIRouter, Path

from etter_obs import counted
from examples.etter_backend.services.adjacency import RANKED, Kind

router = APIRouter(prefix="/model", include_in_schema=False)

_THINKS_SECONDS = 0.02
"""A service at the other end of a network does not answer at once."""


@router.get("/{kind}/{name}")
async def neighbours(kind: Kind, name: Annotated[str, Path(pattern="^[a-z]{1,24}$")]) -> list[str]:
    """Rank in an order that looks arbitrary and never changes."""
    await asyncio.sleep(_THINKS_SECONDS)
    return _rank(RANKED[kind], name)


@counted("rank")
def _rank(names: tuple[str, ...], name: str) -> list[str]:
    others = [other for other in names if other != name]
    return sorted(others, key=lambda other: zlib.crc32(f"{name} {other}".encode()))[:3]
