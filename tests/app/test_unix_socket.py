"""Whose request it is where the server listens on a Unix socket, behind a local proxy."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.app.apps import make_app
from tests.app.asgi import observed, request
from tests.servers import running
from tests.waiting import eventually

SOCKET = {
    "uvicorn": "--uds={}",
    "gunicorn": "--bind=unix:{}",
    "hypercorn": "--bind=unix:{}",
    "granian": "--uds={}",
}
FORWARDED = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}


@pytest.mark.parametrize("server", SOCKET)
def test_behind_a_unix_socket_the_trusted_proxy_names_the_client(
    server: str, tmp_path: Path
) -> None:
    """With ``unix:`` among the trusted proxies, X-Forwarded-For counts; else no client is known."""
    path = tmp_path / "s"
    environment = {"WHERE": "import", "ETTER_OBS_TRUSTED_PROXIES": "10.0.0.0/8, unix:"}
    with running(
        server,
        "tests.app.ending_app:app",
        SOCKET[server].format(path),
        wait=False,
        environment=environment,
    ) as run:
        eventually(path.exists, deadline_s=60, every_s=0.05, tell=run.said)
        transport = httpx.HTTPTransport(uds=str(path), retries=5)
        with httpx.Client(transport=transport, base_url="http://app") as client:
            assert client.get("/work", headers=FORWARDED).is_success
            assert client.get("/work").is_success
        run.end()
    access = [line for line in run.lines if line["logger"] == "etter_obs.access"]
    assert [line["client_ip"] for line in access] == ["198.51.100.1", None]


@pytest.mark.parametrize("client", [None, ("", "0")], ids=["uvicorn", "granian"])
@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8",)])
async def test_behind_a_unix_socket_no_proxy_is_trusted_by_default(
    capsys: pytest.CaptureFixture[str], client: tuple[str, str] | None, trusted: tuple[str, ...]
) -> None:
    """Without ``unix:`` the header does not count, however the server says that it has no peer."""
    app = make_app()
    with observed(app, trusted_proxies=trusted):
        headers = [(b"x-forwarded-for", b"203.0.113.9")]
        await request(app, "GET", "/files/asked", headers, client=client)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "/files/asked" in line]
    assert json.loads(line)["client_ip"] is None
