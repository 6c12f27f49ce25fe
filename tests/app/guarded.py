"""An app whose metrics are its own, guarded, and made known only while it starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import Counter
from prometheus_fastapi_instrumentator import Instrumentator

from etter_obs import setup_observability

ORDERS = Counter("shop_orders", "Orders by customer.", ["customer"])
ORDERS.labels("acme").inc()


def guard(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> None:
    """Let only one token pass."""
    if given.credentials != "the-apps-own":
        raise HTTPException(401)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Expose the app's metrics as a well-known library does."""
    instrumentator.expose(app, dependencies=[Depends(guard)])
    yield


app = FastAPI(lifespan=lifespan)
instrumentator = Instrumentator().instrument(app)


@app.get("/health/ready", status_code=503)
def ready() -> str:
    """Never be ready."""
    return "the app's own"


setup_observability(app)
