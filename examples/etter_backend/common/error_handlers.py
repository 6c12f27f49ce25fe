"""Handlers that return every failure in one envelope."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from etter_obs import current_request_id, get_logger
from examples.etter_backend.common.exceptions import APIError, DatabaseError, InvalidInputError
from examples.etter_backend.schemas.base import FailureResponse

logger = get_logger(__name__)


def failure(error: HTTPException) -> Response:
    """Return the envelope of an error, with its headers."""
    if isinstance(error, APIError):
        code, metadata = error.code, error.metadata
    else:
        code, metadata = HTTPStatus(error.status_code).name, {}
    if error.status_code < 200 or error.status_code in (204, 304):  # these have no body
        return Response(status_code=error.status_code, headers=error.headers)
    body = FailureResponse(
        error_code=code,
        message=str(error.detail),
        metadata=jsonable_encoder(metadata),
        request_id=current_request_id(),
    )
    return JSONResponse(body.model_dump(mode="json"), error.status_code, error.headers)


def install(app: FastAPI) -> None:
    """Add the handlers."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(SQLAlchemyError, _database)
    app.add_exception_handler(Exception, _unexpected)


async def _http(_: Request, error: Exception) -> Response:
    return failure(cast("HTTPException", error))


async def _validation(_: Request, error: Exception) -> Response:
    """Return what is wrong and where, without the value, which may be a password."""
    found = cast("RequestValidationError", error).errors()
    problems: list[dict[str, Any]] = [
        {"field": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in found[:20]
    ]
    first = problems[0]
    told = InvalidInputError(f"{first['field']}: {first['message']}", field=first["field"])
    told.metadata["errors"] = problems
    return failure(told)


async def _database(_: Request, error: Exception) -> Response:
    """Return no details, because the error's text contains the statement."""
    logger.error("database operation failed", exc_info=error)
    return failure(DatabaseError())


async def _unexpected(_: Request, error: Exception) -> Response:
    """Return a general message; the server raises the exception again, so it is reported."""
    return failure(HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, "internal server error"))
