"""The family of errors (the guide's section 1.2).

Each is an ``HTTPException`` with a code of its own, so etter-obs reports those of 500 and above.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import HTTPException


class APIError(HTTPException):
    """Parent of the family; a subclass says its status and its code."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(self.status, message, dict(headers) if headers else None)
        self.metadata = dict(metadata or {})


class InvalidInputError(APIError):
    """What the client sent cannot be used; ``field`` names the part."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "VALIDATION_ERROR"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, metadata={"field": field})


class AuthenticationError(APIError):
    """The client did not say who it is, or its token is not valid."""

    status = HTTPStatus.UNAUTHORIZED
    code = "AUTH_ERROR"

    def __init__(self, message: str = "authentication required") -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})


class PermissionDeniedError(APIError):
    """The user may not do this."""

    status = HTTPStatus.FORBIDDEN
    code = "PERMISSION_DENIED"


class ResourceNotFoundError(APIError):
    """There is none of this id; zero is an id too."""

    status = HTTPStatus.NOT_FOUND
    code = "NOT_FOUND"

    def __init__(self, resource: str, resource_id: object = None) -> None:
        told = "" if resource_id is None else f" with id {resource_id}"
        metadata = {"resource": resource, "id": resource_id}
        super().__init__(f"no {resource}{told}", metadata=metadata)


class ConflictError(APIError):
    """What is stored does not allow it."""

    status = HTTPStatus.CONFLICT
    code = "CONFLICT"


class RateLimitError(APIError):
    """The client has sent too many requests; it may send the next in so many seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        headers = {"Retry-After": str(retry_after)}
        super().__init__("too many requests", headers=headers)


class DatabaseError(APIError):
    """The database did not do what it was asked."""

    code = "DB_ERROR"

    def __init__(self) -> None:
        super().__init__("the database failed")


class ExternalServiceError(APIError):
    """Another service did not answer as it should."""

    status = HTTPStatus.BAD_GATEWAY
    code = "EXTERNAL_SERVICE_ERROR"

    def __init__(self, service: str, message: str) -> None:
        super().__init__(f"{service}: {message}", metadata={"service": service})
