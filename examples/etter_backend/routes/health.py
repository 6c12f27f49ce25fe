"""A plain health route; etter-obs provides /health/detailed."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> dict[str, str]:
    """Return that the process is alive."""
    return {"status": "healthy"}
