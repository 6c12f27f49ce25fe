"""The rate limit; each of the guide's mistakes is a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from redis.asyncio import ConnectionPool
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from etter_obs.testing.logs import LogRecorder
from examples.etter_backend.middleware.rate_limit import RateLimitMiddleware
from examples.etter_backend.settings import Settings
from tests.examples.conftest import Client, serving
from tests.services import free_port


@pytest.fixture
def limited(settings: Callable[..., Settings]) -> Callable[..., Any]:
    """Run an app that lets five requests in, in a window of 30 s unless a test says otherwise."""

    @asynccontextmanager
    async def run(**variables: str) -> AsyncIterator[Client]:
        chosen = settings(**{"RATE_LIMIT_REQUESTS": "5", "RATE_LIMIT_WINDOW": "30", **variables})
        async with serving(chosen) as client:
            yield client

    return run


def _as(client: Client, address: str) -> httpx.AsyncClient:
    """Return a client with this address."""
    transport = httpx.ASGITransport(client.app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=client.base_url)


async def test_requests_at_once_do_not_pass_together(guide_redis: str) -> None:
    """Of twenty requests within one second exactly five pass: each counts, not each second."""
    pool = ConnectionPool.from_url(guide_redis)

    async def fine(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("fine")(scope, receive, send)

    limited = RateLimitMiddleware(fine, pool=pool, requests=5, window=30)
    transport = httpx.ASGITransport(limited, client=("10.1.1.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(20)))
    await pool.disconnect()
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 15


async def test_a_refusal_is_a_429_in_the_envelope_with_its_time(
    limited: Callable[..., Any],
) -> None:
    """It is no 500, as an exception in a middleware would be, and says when to come again."""
    async with limited() as client:
        for _ in range(5):
            assert (await client.get("/health")).status_code == 200
        refused = await client.get("/health")
        assert refused.status_code == 429
        assert refused.json()["error_code"] == "RATE_LIMITED"
        assert 1 <= int(refused.headers["Retry-After"]) <= 30
        assert refused.headers["X-Request-ID"]


async def test_a_refused_request_takes_no_place(limited: Callable[..., Any]) -> None:
    """A client that knocks all the time gets in again when its first window has passed."""
    async with limited(RATE_LIMIT_REQUESTS="2", RATE_LIMIT_WINDOW="1") as client:
        loop = asyncio.get_running_loop()
        begun, let_in = loop.time(), 0
        while let_in < 3:
            assert loop.time() < begun + 20, "it never got in again"
            let_in += (await client.get("/health")).status_code == 200
            await asyncio.sleep(0.02)


async def test_each_client_has_its_own_places(limited: Callable[..., Any]) -> None:
    """Another address passes; one that only claims to be another does not; probes always do."""
    async with limited() as client:
        one, two = _as(client, "10.0.0.1"), _as(client, "10.0.0.2")
        for _ in range(5):
            await one.get("/health")
        claimed = await one.get("/health", headers={"X-Forwarded-For": "10.9.9.9"})
        assert claimed.status_code == 429
        assert (await two.get("/health")).status_code == 200
        assert (await one.get("http://127.0.0.1:1/health/live")).status_code == 200


async def test_a_client_without_an_address_is_served(limited: Callable[..., Any]) -> None:
    """A request over a Unix socket has no address; all of them share the places of one client."""
    async with limited() as client:

        async def without(scope: Any, receive: Any, send: Any) -> None:
            await client.app({**scope, "client": None}, receive, send)

        transport = httpx.ASGITransport(without)
        async with httpx.AsyncClient(transport=transport, base_url=client.base_url) as nameless:
            statuses = [(await nameless.get("/health")).status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]


async def test_without_redis_requests_pass_and_are_counted(
    limited: Callable[..., Any], obs_logs: LogRecorder
) -> None:
    """Each passes, one warning says so, and the count tells how many were not limited."""
    async with limited(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as client:
        for _ in range(8):
            assert (await client.get("/health")).status_code == 200
        page = (await client.get("http://127.0.0.1:1/metrics")).text
    assert 'etter_rate_limit_decisions_total{decision="unavailable"}' in page
    told = "Redis is unreachable, so requests are not limited"
    assert len(obs_logs.where(message=told)) == 1
