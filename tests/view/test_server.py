"""Who may ask the viewer, and what it asks of others: by HTTP, against a real upstream server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from etter_obs._internal.view.app import View
from etter_obs._internal.view.project import Project
from etter_obs._internal.view.sources import Source
from etter_obs._internal.web.access import Access
from tests.command_line import run
from tests.http_server import Call, http_server

ROOT = Path(__file__).parents[2]
TOKEN = "secret-of-the-link"
BASE = "http://127.0.0.1:3000"


@contextmanager
def asking(calls: list[Call]) -> Iterator[httpx.AsyncClient]:
    """A browser's requests to a viewer whose Prometheus notes what it is asked."""

    def answer(call: Call) -> tuple[int, bytes]:
        calls.append(call)
        return 200, b'{"status":"success"}'

    with http_server(answer) as url:
        view = View(Project(ROOT), {"prometheus": Source("prometheus", url)}, None)
        yield client_of(view)


def client_of(view: View, peer: str = "127.0.0.1") -> httpx.AsyncClient:
    """A browser's requests from ``peer`` to a viewer."""
    transport = httpx.ASGITransport(view.app(Access(TOKEN)), client=(peer, 4242))
    return httpx.AsyncClient(transport=transport, base_url=BASE)


GRANTED = {"authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", GRANTED, 200),
        ("127.0.0.1", {}, 401),
        ("127.0.0.1", {"authorization": "Bearer other"}, 401),
        ("192.0.2.7", GRANTED, 403),
        ("127.0.0.1", GRANTED | {"host": "evil.example"}, 403),
        ("127.0.0.1", GRANTED | {"origin": "http://evil.example"}, 403),
        ("127.0.0.1", GRANTED | {"origin": "http://127.0.0.1:9"}, 403),
        ("127.0.0.1", GRANTED | {"sec-fetch-site": "cross-site"}, 403),
        ("127.0.0.1", GRANTED | {"x-forwarded-for": "192.0.2.7"}, 403),
    ],
)
async def test_only_the_holder_of_the_token_on_this_machine_is_answered(
    peer: str, headers: dict[str, str], status: int
) -> None:
    """Without the token, from elsewhere, from another origin or under another host: nothing."""
    async with client_of(View(Project(ROOT), {}, None), peer) as client:
        for path in (
            "/api/settings",
            "/api/boards/etter-obs-service",
            "/api/prometheus/api/v1/query",
        ):
            answer = await client.get(path, headers=headers)
            expected = 404 if status == 200 and "query" in path else status
            assert answer.status_code == expected, (path, answer.text)
            if status != 200:
                assert len(answer.content) < 80


async def test_the_link_leaves_its_token_in_a_cookie_that_no_other_site_can_send() -> None:
    """The printed link opens the page, and the address that stays has no token in it."""
    async with client_of(View(Project(ROOT), {}, None)) as client:
        opened = await client.get("/", params={"token": TOKEN})
        assert (opened.status_code, opened.headers["location"]) == (303, "/")
        assert "HttpOnly; SameSite=Strict" in opened.headers["set-cookie"]
        page = await client.get("/")
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert (await client.get("/api/settings")).status_code == 200


async def test_a_link_of_an_alert_opens_its_dashboard() -> None:
    """Grafana's addresses lead to the same dashboard and runbook here."""
    async with client_of(View(Project(ROOT), {}, None)) as client:
        board = await client.get("/d/etter-obs-slo-detail?var-slo=availability&from=1")
        assert board.headers["location"] == "/#/d/etter-obs-slo-detail?var-slo=availability&from=1"
        runbook = await client.get("/public/runbooks/Watchdog.md")
        assert runbook.headers["location"] == "/#/runbook/Watchdog"


async def test_only_questions_that_read_reach_a_source() -> None:
    """A read passes with its parameters, without cookies; what could change anything does not."""
    calls: list[Call] = []
    with asking(calls) as client:
        async with client:
            asked = await client.post(
                "/api/prometheus/api/v1/query",
                headers=GRANTED | {"cookie": "session=1"},
                content="query=up",
            )
            assert asked.status_code == 200
            assert (calls[0].path, calls[0].body) == ("/api/v1/query", b"query=up")
            assert not {"cookie", "authorization"} & set(calls[0].headers)
            for path in (
                "api/v1/admin/tsdb/delete_series",
                "-/reload",
                "api/v1/query/../admin/tsdb/snapshot",
                "api/v1/label/..%2F..%2Fadmin/values",
                "api/v1/status/config",
                "",
            ):
                answer = await client.post(f"/api/prometheus/{path}", headers=GRANTED)
                assert answer.status_code == 403, path
            assert (await client.delete("/api/prometheus/api/v1/query")).status_code in (401, 405)
    assert len(calls) == 1


def test_a_folder_without_dashboards_is_one_clear_message(tmp_path: Path) -> None:
    """The command says what is missing and what to run, and exits with 2."""
    (tmp_path / "slo.yaml").write_text("")
    code, said = run("view", f"--dir={tmp_path}", cwd=tmp_path)
    assert code == 2
    assert "no dashboards; run `etter-obs generate" in said
    code, said = run("view", "--loki", "localhost:3100", cwd=ROOT)
    assert code == 2
    assert "is not an address" in said
