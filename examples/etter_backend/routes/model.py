"""Serves as the model service if none is configured."""

from __future__ import annotations

import asyncio
import zlib
from typing import Annotated

from fastapi import APIRouter, Path

from etter_obs import counted
from examples.etter_backend.services.adjacency import RANKED, Kind

router = APIRouter(prefix="/model", include_in_schema=False)

_THINKS_SECONDS = 0.02
"""Latency of a service on another host."""


@router.get("/{kind}/{name}")
async def neighbours(kind: Kind, name: Annotated[str, Path(pattern="^[a-z]{1,24}$")]) -> list[str]:
    """Rank in an arbitrary but constant order."""
    await asyncio.sleep(_THINKS_SECONDS)
    return _rank(RANKED[kind], name)


@counted("rank")
def _rank(names: tuple[str, ...], name: str) -> list[str]:
    others = [other for other in names if other != name]
    return sorted(others, key=lambda other: zlib.crc32(f"{name} {other}".encode()))[:3]
