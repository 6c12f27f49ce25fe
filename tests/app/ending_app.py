"""An app that logs and traces to its last moment, for tests of how servers end it.

``WHERE`` says where it is set up: at import, in a factory, in the lifespan.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from etter_obs import setup_observability

WHERE = os.environ["WHERE"]
log = logging.getLogger("ending")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Log when the app ends; fail then where it is asked for."""
    if WHERE == "lifespan":
        setup_observability(app)
    while "GO" in os.environ and not Path(os.environ["GO"]).exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.02)  # the rest of a start that takes long
    yield
    log.warning("teardown")
    if os.environ.get("FAILS"):
        raise RuntimeError("the teardown failed on purpose")


def make() -> FastAPI:
    """Return the app."""
    made = FastAPI(lifespan=lifespan)

    @made.get("/work")
    async def work() -> int:
        log.warning("working")
        return os.getpid()

    if WHERE != "lifespan":
        setup_observability(made)
    return made


app = None if WHERE == "factory" else make()
