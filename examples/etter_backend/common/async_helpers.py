"""Calls of other services: only of those that are allowed, so many at once (section 4.3)."""

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
"""Calls of one request that run at once."""
_MOST_BYTES: Final = 256 * 1024
"""Of an answer; more is not read."""


class ExternalServices:
    """The client of other services.

    Only the origins that the settings name are called, and no redirect is followed: an address
    that comes from a request could otherwise reach what only this process can reach.
    """

    def __init__(self, features: FeatureSwitch, origins: Iterable[str]) -> None:
        self._features = features
        self._allowed = frozenset(map(_origin, origins))
        # Idle connections are given up before uvicorn's 5 s, or a call would meet a closed one.
        self._client = httpx.AsyncClient(
            timeout=2.0,
            limits=httpx.Limits(max_connections=50, keepalive_expiry=2.0),
            follow_redirects=False,
            trust_env=False,
        )

    def allow(self, url: str) -> None:
        """Allow one more origin: this app's own, known only while it serves."""
        self._allowed |= {_origin(url)}

    async def get_json(self, service: str, url: str) -> Any:
        """Return the JSON that ``url`` answers.

        Raises:
            ExternalServiceError: the origin is not allowed, or the answer is not usable.
        """
        if _origin(url) not in self._allowed:
            raise ExternalServiceError(service, "the address is not allowed")
        try:
            async with self._client.stream("GET", url) as answer:
                answer.raise_for_status()
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise ExternalServiceError(service, "the answer is too long")
            return httpx.Response(200, content=body).json()
        except (httpx.HTTPError, ValueError) as error:
            logger.warning("a call failed", called=service, error=type(error).__name__)
            raise ExternalServiceError(service, "no usable answer") from error

    async def gather(self, call: Callable[[T], Awaitable[R]], given: Iterable[T]) -> list[R]:
        """Return the results of all calls, in order; the first failure ends the rest.

        With the switch of the parallel calls, eight run at once; without, one does.
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


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if "@" in parts.netloc:
        return "", "", None  # in front of the @ stands what looks like a host and is none
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").rstrip("."), port or default
