"""Who sees the console: a browser or a program of this machine that has the token, nobody else."""

from __future__ import annotations

import sys
from typing import Final

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from etter_obs import Settings, setup_observability
from etter_obs._internal.console.endpoint import ConsoleEndpoint
from etter_obs._internal.web.access import Access
from tests.app.asgi import Answer, Headers, request

TOKEN: Final = "q-the-token-of-the-console"
_HOST: Final = (b"host", b"127.0.0.1:8000")
_BEARER: Final = (b"authorization", b"Bearer " + TOKEN.encode())
_LOCAL: Final = ("127.0.0.1", 50_000)
_PLACES: Final = (
    "",
    "/",
    "/app.js",
    "/app.css",
    "/api/overview",
    "/api/nothing",
    "/../../slo.yaml",
)


async def _answer(query: dict[str, str]) -> bytes:
    return b'{"inside": true}'


ENDPOINT: Final = ConsoleEndpoint(Access(TOKEN), {"overview": _answer})


async def ask(
    path: str, *headers: tuple[bytes, bytes], client: tuple[str, int] | None = _LOCAL
) -> Answer:
    """Ask the console."""
    return await request(ENDPOINT, "GET", f"/_obs{path}", headers, client=client)


STRANGERS: Final[dict[str, tuple[Headers, tuple[str, int] | None]]] = {
    "another machine": ([_HOST], ("192.0.2.7", 50_000)),
    "another machine, IPv6": ([_HOST], ("2001:db8::1", 50_000)),
    "no address": ([_HOST], None),
    "a proxy on this machine": ([_HOST, (b"x-forwarded-for", b"127.0.0.1")], _LOCAL),
    "a proxy's Forwarded": ([_HOST, (b"forwarded", b"for=127.0.0.1")], _LOCAL),
    "DNS rebinding": ([(b"host", b"evil.example:8000")], _LOCAL),
    "a name that looks local": ([(b"host", b"localhost.evil.example")], _LOCAL),
    "a name that begins like an address": ([(b"host", b"127.0.0.1.evil.example")], _LOCAL),
    "no host": ([], _LOCAL),
    "two hosts": ([_HOST, (b"host", b"evil.example")], _LOCAL),
    "another site": ([_HOST, (b"sec-fetch-site", b"cross-site")], _LOCAL),
    "another port of this machine": ([_HOST, (b"sec-fetch-site", b"same-site")], _LOCAL),
    "another origin": ([_HOST, (b"origin", b"http://127.0.0.1:3000")], _LOCAL),
    "an opaque origin": ([_HOST, (b"origin", b"null")], _LOCAL),
}


@pytest.mark.parametrize("who", STRANGERS)
async def test_a_stranger_gets_nothing_even_with_the_token(who: str) -> None:
    """An empty 403 at every path, whether the token comes as a header, a cookie or in the link."""
    headers, client = STRANGERS[who]
    cookie = (b"cookie", f"{Access(TOKEN).cookie}={TOKEN}".encode())
    for path in _PLACES:
        for key in (_BEARER, cookie):
            answer = await ask(path, *headers, key, client=client)
            assert (answer.status, answer.body) == (403, b"")
        answer = await ask(f"{path}?token={TOKEN}", *headers, client=client)
        assert (answer.status, answer.body, answer.header("set-cookie")) == (403, b"", [])


@given(st.text().filter(lambda text: text != TOKEN))
async def test_no_other_token_opens_it(other: str) -> None:
    """Any other text as token leaves a 401 that says where the link is, and no cookie."""
    raw = other.encode("utf-8", "surrogatepass")
    answers = [
        await ask("/api/overview", _HOST, (b"authorization", b"Bearer " + raw)),
        await ask("/api/overview", _HOST, (b"cookie", Access(TOKEN).cookie.encode() + b"=" + raw)),
        await request(
            ENDPOINT, "GET", "/_obs/", [_HOST], client=_LOCAL, query_string=b"token=" + raw
        ),
    ]
    for answer in answers:
        assert answer.status == 401
        assert b"standard error" in answer.body
        assert not answer.header("set-cookie")


async def test_the_link_moves_its_token_into_a_cookie() -> None:
    """The first visit is redirected to an address without the token; the cookie then opens it.

    No script can read the cookie and no other site can send it. Two consoles of one machine have
    cookies of different names.
    """
    first = await ask(f"/?token={TOKEN}", _HOST, (b"sec-fetch-site", b"none"))
    assert (first.status, first.header("location")) == (303, ["/_obs/"])
    (cookie,) = first.header("set-cookie")
    assert set(cookie.split("; ")[1:]) == {"Path=/_obs/", "HttpOnly", "SameSite=Strict"}
    given_back = (b"cookie", b"theme=dark; " + cookie.split("; ")[0].encode())
    answer = await ask("/api/overview", _HOST, given_back, (b"sec-fetch-site", b"same-origin"))
    assert (answer.status, answer.body) == (200, b'{"inside": true}')
    assert Access(TOKEN).cookie != Access("another").cookie


async def test_every_answer_forbids_scripts_frames_and_caches() -> None:
    """The policy allows only the page's own files; nothing inline, framed, cached or referred."""
    for path in _PLACES:
        answer = await ask(path, _HOST, _BEARER)
        (policy,) = answer.header("content-security-policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert answer.header("cache-control") == ["no-store"]
        assert answer.header("referrer-policy") == ["no-referrer"]
        assert not answer.header("access-control-allow-origin")
    assert (await ask("/../../slo.yaml", _HOST, _BEARER)).status == 404
    assert (
        await request(ENDPOINT, "POST", "/_obs/", [_HOST, _BEARER], client=_LOCAL)
    ).status == 405


async def test_off_there_is_no_console() -> None:
    """Without the variable, the path belongs to the app, and none of the console's code is loaded.

    The recorder of requests is then exactly the one without a console.
    """
    loaded = {name for name in sys.modules if name.startswith("etter_obs._internal.console")}
    for name in loaded:
        sys.modules.pop(name)
    app = FastAPI()
    obs = setup_observability(app, settings=Settings())
    try:
        answer = await request(app, "GET", "/_obs/", [_HOST], client=_LOCAL)
        assert (answer.status, answer.body) == (404, b'{"detail":"Not Found"}')
        assert not any(name.startswith("etter_obs._internal.console") for name in sys.modules)
    finally:
        obs.shutdown()


async def test_the_apps_own_route_at_the_path_wins() -> None:
    """An app that serves /_obs/ itself keeps it."""
    app = FastAPI()

    @app.get("/_obs/{rest:path}")
    def own(rest: str) -> str:
        return "the app's"

    obs = setup_observability(app, settings=Settings(console=True))
    try:
        answer = await request(app, "GET", "/_obs/api/overview", [_HOST], client=_LOCAL)
        assert (answer.status, answer.body) == (200, b'"the app\'s"')
    finally:
        obs.shutdown()
