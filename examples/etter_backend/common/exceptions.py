"""The errors of the API.

Each class is an ``HTTPException`` with its own code; etter-obs reports those of 500 and above.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import HTTPException


class APIError(HTTPException):
    """Base class; a subclass defines the status and the code."""

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
    """The request is invalid; ``field`` names the part."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "VALIDATION_ERROR"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, metadata={"field": field})


class AuthenticationError(APIError):
    """The request has no valid token."""

    status = HTTPStatus.UNAUTHORIZED
    code = "AUTH_ERROR"

    def __init__(self, message: str = "authentication required") -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})


class PermissionDeniedError(APIError):
    """The user lacks the permission."""

    status = HTTPStatus.FORBIDDEN
    code = "PERMISSION_DENIED"


class ResourceNotFoundError(APIError):
    """No resource has this id."""

    status = HTTPStatus.NOT_FOUND
    code = "NOT_FOUND"

    def __init__(self, resource: str, resource_id: object = None) -> None:
        told = "" if resource_id is None else f" with id {resource_id}"
        metadata = {"resource": resource, "id": resource_id}
        super().__init__(f"no {resource}{told}", metadata=metadata)


class ConflictError(APIError):
    """The request conflicts with stored data."""

    status = HTTPStatus.CONFLICT
    code = "CONFLICT"


class RateLimitError(APIError):
    """The client has sent too many requests; it may continue after ``retry_after`` seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        headers = {"Retry-After": str(retry_after)}
        super().__init__("too many requests", headers=headers)


class DatabaseError(APIError):
    """A database operation failed."""

    code = "DB_ERROR"

    def __init__(self) -> None:
        super().__init__("the database operation failed")


class ExternalServiceError(APIError):
    """Another service failed."""

    status = HTTPStatus.BAD_GATEWAY
    code = "EXTERNAL_SERVICE_ERROR"

    def __init__(self, service: str, message: str) -> None:
        super().__init__(f"{service}: {message}", metadata={"service": service})
