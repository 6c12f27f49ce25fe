"""Nested routers, and a mounted sub-app with its own documentation."""

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from etter_obs import setup_observability

log = structlog.get_logger()
users = APIRouter(prefix="/users", tags=["users"])
orders = APIRouter(prefix="/{user_id}/orders")


class Unavailable(HTTPException):
    def __init__(self) -> None:
        super().__init__(503, "try again")


@orders.get("/{order_id}")
async def order(user_id: int, order_id: int):
    log.info("order read", user_id=user_id, token="hunter2-secret")
    return {"user": user_id, "order": order_id}


@users.get("/broken")
async def broken():
    raise Unavailable


users.include_router(orders)
admin = FastAPI(title="admin")


@admin.get("/reports/{name}")
async def report(name: str):
    return {"report": name}


app = FastAPI()
app.include_router(users)
app.mount("/admin", admin)


@app.exception_handler(HTTPException)
async def envelope(_: Request, error: HTTPException):
    return JSONResponse({"error": error.detail}, error.status_code)


@app.get("/health")
async def health():
    return {"mine": True}


setup_observability(app)
