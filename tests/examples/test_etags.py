"""ETags as RFC 9110 has them; each of the guide's mistakes is a test."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from examples.etter_backend.middleware.etag import ETagMiddleware, etag_of
from examples.etter_backend.schemas.base import APIResponse
from tests.examples.conftest import Client


async def test_an_unchanged_body_is_not_sent_again(client: Client) -> None:
    """The tag is quoted; any of a list, weak or strong, or an asterisk brings a 304 and no body."""
    first = await client.get("/master_companies")
    tag = first.headers["ETag"]
    strong = tag.removeprefix("W/")
    assert tag == f"W/{strong}"
    assert strong.startswith('"')
    assert strong.endswith('"')
    for asked in (tag, strong, f'"other", {tag}', f'W/"a,b",{strong}', "*"):
        again = await client.get("/master_companies", headers={"If-None-Match": asked})
        assert (again.status_code, again.content) == (304, b""), asked
    for asked in ('"other"', strong.strip('"'), ""):
        again = await client.get("/master_companies", headers={"If-None-Match": asked})
        assert again.status_code == 200, asked


async def test_a_304_repeats_the_headers_that_a_cache_needs(client: Client) -> None:
    """ETag, Cache-Control, Vary and the request's id are there; what describes a body is not."""
    first = await client.get("/master_companies")
    again = await client.get("/master_companies", headers={"If-None-Match": first.headers["ETag"]})
    for name in ("ETag", "Cache-Control", "Vary"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["X-Request-ID"]
    assert "Content-Type" not in again.headers
    assert "Content-Encoding" not in again.headers


async def test_the_time_in_the_envelope_does_not_defeat_the_tag(client: Client) -> None:
    """Two answers of different times have one tag; a change of the data, another one."""
    first, second = [await client.get("/users/1") for _ in range(2)]
    assert first.json()["timestamp"] != second.json()["timestamp"]
    assert first.headers["ETag"] == second.headers["ETag"]
    await client.patch("/users/1", json={"job_title": "Changed"})
    assert (await client.get("/users/1")).headers["ETag"] != first.headers["ETag"]


def test_only_the_envelopes_own_time_is_left_out() -> None:
    """A time within the data counts, also where it is the last thing in the body."""

    def body(inner: str, outer: str) -> bytes:
        answer = APIResponse[dict[str, str]](data={"timestamp": inner}).model_dump(mode="json")
        return json.dumps({**answer, "timestamp": outer}, separators=(",", ":")).encode()

    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    assert etag_of(body(early, early)) == etag_of(body(early, late))
    assert etag_of(body(early, early)) != etag_of(body(late, early))
    assert etag_of(b'{"timestamp":"%b"}' % early.encode()) != etag_of(
        b'{"timestamp":"%b"}' % late.encode()
    )


async def test_the_compression_is_around_the_tag(client: Client) -> None:
    """The tag is the same whether or not the client takes gzip, and the answers vary by it."""
    plain = await client.get("/master_companies", headers={"Accept-Encoding": "identity"})
    packed = await client.get("/master_companies", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"] == plain.headers["ETag"]
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert packed.json()["data"] == plain.json()["data"]
    assert len(gzip.compress(plain.content)) < len(plain.content) / 3


@pytest.fixture
def others() -> httpx.AsyncClient:
    """A client of routes that must pass untouched."""

    async def stream(_: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            for part in ("one", "two"):
                yield part

        return StreamingResponse(parts())

    async def twice(_: Request) -> Response:
        response = PlainTextResponse("cookies")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    async def tagged(_: Request) -> Response:
        return PlainTextResponse("own", headers={"ETag": '"own"'})

    async def private(_: Request) -> Response:
        return PlainTextResponse("secret", headers={"Cache-Control": "no-store"})

    async def missing(_: Request) -> Response:
        return PlainTextResponse("none", 404)

    routes = [
        Route(f"/{each.__name__}", each) for each in (stream, twice, tagged, private, missing)
    ]
    app = ETagMiddleware(Starlette(routes=routes))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_what_is_no_plain_answer_passes_untouched(others: httpx.AsyncClient) -> None:
    """A stream, an own tag, no-store and a 404 get no tag of ours; two cookies stay two."""
    stream = await others.get("/stream", headers={"If-None-Match": "*"})
    assert (stream.status_code, stream.text) == (200, "onetwo")
    assert "ETag" not in stream.headers
    assert (await others.get("/tagged")).headers["ETag"] == '"own"'
    for path in ("/private", "/missing"):
        assert "ETag" not in (await others.get(path)).headers
    cookies = await others.get("/twice")
    assert [each[:3] for each in cookies.headers.get_list("set-cookie")] == ["a=1", "b=2"]
    assert cookies.headers["ETag"]
