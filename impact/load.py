"""Load: so many users, each of whom waits for an answer before the next request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

_GIVES_UP_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``conditional`` sends the ETag that the address had last."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    token: str = ""
    method: str = "GET"
    body: Any = None
    conditional: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def load(
    base_url: str, users: int, next_call: Callable[[], Call], think_seconds: float = 0.0
) -> AsyncIterator[None]:
    """Put the app under load for the length of the block.

    Args:
        base_url: of the app.
        users: requests that are in flight at once, but for the thinking.
        next_call: returns the next request.
        think_seconds: what a user waits between an answer and the next request.
    """
    tags: dict[tuple[str, tuple[tuple[str, str], ...], str], str] = {}
    async with aiohttp.ClientSession(
        base_url,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=_GIVES_UP_SECONDS),
        auto_decompress=False,  # nobody reads the bodies
        headers={"Accept-Encoding": "gzip"},
    ) as session:

        async def one() -> None:
            call = next_call()
            headers = dict(call.headers)
            if call.token:
                headers["Authorization"] = f"Bearer {call.token}"
            key = (call.path, call.query, call.token)
            if call.conditional and key in tags:
                headers["If-None-Match"] = tags[key]
            async with session.request(
                call.method, call.path, params=call.query, json=call.body, headers=headers
            ) as answer:
                await answer.read()
                if call.conditional and "ETag" in answer.headers:
                    tags[key] = answer.headers["ETag"]

        async def user(number: int) -> None:
            # Spread over the first pause, or all would ask in the same moment.
            await asyncio.sleep(think_seconds * number / users)
            while True:
                try:
                    await one()
                except (aiohttp.ClientError, TimeoutError):
                    await asyncio.sleep(0.1)  # the app's own series show what failed
                await asyncio.sleep(think_seconds)

        tasks = [asyncio.create_task(user(number)) for number in range(users)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
