"""An app with a slow route, for clients that leave before its answer."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI

from etter_obs import setup_observability

app = FastAPI()
setup_observability(app)


@app.get("/slow")
async def slow() -> str:
    """Take longer than the client waits."""
    await asyncio.sleep(0.6)
    return "too late"
