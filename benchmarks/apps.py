"""The bare app that every subject instruments, and the requests that it receives."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, FastAPI

HEADERS: Final = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json, text/plain, */*"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"referer", b"http://127.0.0.1:8000/"),
    (b"connection", b"keep-alive"),
    (b"cookie", b"theme=dark"),
]
"""The headers of a browser behind no proxy."""


class Shape(NamedTuple):
    """How many routes the app has, and whether a router that the app includes holds them."""

    routes: int
    included: bool

    def __str__(self) -> str:
        """Return the shape in words."""
        plural = "" if self.routes == 1 else "s"
        return f"{self.routes} route{plural}, {'included router' if self.included else 'direct'}"


def make_app(shape: Shape) -> FastAPI:
    """Return an app whose routes each have a parameter and return JSON."""
    app = FastAPI()
    router = APIRouter() if shape.included else app.router
    for number in range(shape.routes):

        @router.get(f"/resource-{number}/{{item_id}}", name=f"read_{number}")
        async def read(item_id: int) -> dict[str, Any]:
            return {"id": item_id, "name": "Acme Analytics", "industry": "Analytics"}

    if shape.included:
        app.include_router(router, prefix="/api")
    return app


def paths(shape: Shape, count: int) -> list[str]:
    """Return the paths of ``count`` requests, which visit all routes in turn."""
    prefix = "/api" if shape.included else ""
    each = [f"{prefix}/resource-{number}/7" for number in range(shape.routes)]
    return list(islice(cycle(each), count))
