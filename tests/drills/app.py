"""The app of the drills: each request is one line of its own, one access line and one span."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException

from etter_obs import get_logger, setup_observability

app = FastAPI()
setup_observability(app)
log = get_logger("drill")


@app.get("/things/{number}")
async def thing(number: int, status: int = 200) -> int:
    """Log the number; answer with the status that the caller asks for."""
    log.info("thing read", number=number)
    if status != 200:
        raise HTTPException(status)
    return number
