"""The guide's plain health route. What it checks in depth is at /health/detailed, by etter-obs."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> dict[str, str]:
    """Answer: the process lives."""
    return {"status": "healthy"}
