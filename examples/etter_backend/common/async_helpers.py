"""Calls of other services: only allowed ones, and a limited number in parallel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx

from etter_obs import get_logger
from examples.etter_backend.common.exceptions import ExternalServiceError
from examples.etter_backend.controls.features import Feature, FeatureSwitch

T = TypeVar("T")
R = TypeVar("R")

logger = get_logger(__name__)

_AT_ONCE: Final = 8
"""Parallel calls of one request."""
_MOST_BYTES: Final = 256 * 1024
"""Limit of a response in bytes."""


class ExternalServices:
    """The client of other services.

    It calls only allowed origins and follows no redirect. Otherwise an address from a request could
    reach internal servers (SSRF).
    """

    def __init__(self, features: FeatureSwitch, origins: Iterable[str]) -> None:
        self._features = features
        self._allowed = frozenset(map(_origin, origins))
        # Close idle connections before uvicorn's 5 s, or a call would use one that has just closed.
        self._client = httpx.AsyncClient(
            timeout=2.0,
            limits=httpx.Limits(max_connections=50, keepalive_expiry=2.0),
            follow_redirects=False,
            trust_env=False,
        )

    def allow(self, url: str) -> None:
        """Allow one more origin."""
        self._allowed |= {_origin(url)}

    async def get_json(self, service: str, url: str) -> Any:
        """Return the JSON at ``url``.

        Raises:
            ExternalServiceError: the origin is not allowed, or the response is not JSON.
        """
        origin = _origin(url)
        if origin is None or origin not in self._allowed:
            raise ExternalServiceError(service, "the address is not allowed")
        try:
            async with self._client.stream("GET", url) as answer:
                answer.raise_for_status()
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise ExternalServiceError(service, "the response is too long")
            return httpx.Response(200, content=body).json()
        except (httpx.HTTPError, ValueError) as error:
            logger.warning(
                "call of another service failed", called=service, error=type(error).__name__
            )
            raise ExternalServiceError(service, "no usable response") from error

    async def gather(self, call: Callable[[T], Awaitable[R]], given: Iterable[T]) -> list[R]:
        """Return the results of all calls, in order; the first failure cancels the rest.

        With parallel calls eight run at a time, otherwise one.
        """
        if not self._features.is_on(Feature.PARALLEL_CALLS):
            return [await call(each) for each in given]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(each: T) -> R:
            async with gate:
                return await call(each)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in given]
        return [task.result() for task in tasks]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Return scheme, host and port; None if the URL has none, or a user part in front of them."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    if "@" in parts.netloc or not parts.hostname:
        return None
    return parts.scheme, parts.hostname.rstrip("."), port
