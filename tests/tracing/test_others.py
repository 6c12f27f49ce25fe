"""Official instrumentations of other libraries, under our sampling and our redaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import asyncpg
import psycopg
import pytest
import requests
from fastapi import FastAPI
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor

from demo.databases import Postgres
from tests.http_server import Call, http_server
from tests.services import Receiver
from tests.tracing.observed import observed

SECRET = "hunter2-secret"
INSTRUMENTORS: dict[str, Callable[[], Any]] = {
    "asyncpg": AsyncPGInstrumentor,
    "psycopg": PsycopgInstrumentor,
    "aiohttp": AioHttpClientInstrumentor,
    "requests": RequestsInstrumentor,
}


@pytest.fixture
def peer() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server on loopback: its address, and the headers that came."""
    seen: list[dict[str, str]] = []

    def answer(call: Call) -> tuple[int, bytes]:
        seen.append(call.headers)
        return 200, b""

    with http_server(answer) as url:
        yield url.removeprefix("http://"), seen


def calls_of(postgres: Postgres, address: str) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return, by library, what a route does with it; each says a secret."""
    dsn = postgres.url().replace("+psycopg", "")
    url = f"http://someone:{SECRET}@{address}/path?token={SECRET}"

    async def by_asyncpg() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"SELECT '{SECRET}'")
        await connection.close()

    async def by_psycopg() -> None:
        def ask() -> None:
            with psycopg.connect(dsn) as connection:
                connection.execute(f"SELECT '{SECRET}'")

        await asyncio.to_thread(ask)

    async def by_aiohttp() -> None:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            await response.read()

    async def by_requests() -> None:
        await asyncio.to_thread(requests.get, url, timeout=10)

    return {
        "asyncpg": by_asyncpg,
        "psycopg": by_psycopg,
        "aiohttp": by_aiohttp,
        "requests": by_requests,
    }


@pytest.mark.parametrize("library", INSTRUMENTORS)
async def test_a_librarys_spans_follow_our_sampling_and_redaction(
    library: str,
    postgres: Postgres,
    otlp: Receiver,
    peer: tuple[str, list[dict[str, str]]],
) -> None:
    """A sampled request has the library's span below its own, without secrets; another has none."""
    address, seen = peer
    call = calls_of(postgres, address)[library]
    app = FastAPI()

    @app.get("/works")
    async def works() -> None:
        await call()

    instrumentor = INSTRUMENTORS[library]()
    instrumentor.instrument()
    try:
        async with observed(app, otlp) as client:
            assert (await client.get("/works")).status_code == 200
        async with observed(app, otlp, sampler="always_off") as client:
            assert (await client.get("/works")).status_code == 200
    finally:
        instrumentor.uninstrument()
    (server,) = (span for span in otlp.spans if span.kind == "server")
    inner = [span for span in otlp.spans if span.kind == "client"]
    assert inner
    assert {span.trace_id for span in inner} == {server.trace_id}
    assert server.span_id in {span.parent_id for span in inner}
    assert SECRET not in str(otlp.spans)
    sampled = [int(headers["traceparent"][-2:], 16) & 1 for headers in seen]
    assert sampled in ([], [1, 0])
