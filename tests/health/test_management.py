"""The management port: details and metrics, separate from the app's port."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket

import httpx
import psutil
import pytest

from demo.databases import free_port
from etter_obs._internal.health import Health
from etter_obs._internal.settings import Settings
from tests.health.serving import answer, served
from tests.waiting import eventually


def test_it_serves_detail_and_metrics_without_a_token() -> None:
    """What the app's port keeps for a token's bearer, the management port shows, and /metrics."""
    port, management = free_port(), free_port()
    with served(port, ETTER_OBS_MANAGEMENT_PORT=str(management), ETTER_OBS_HEALTH_TOKEN="t"):
        on_app = answer(f"http://127.0.0.1:{port}/health/detailed")
        assert on_app is not None
        assert on_app.status_code == 401
        base = f"http://127.0.0.1:{management}"
        detail = answer(f"{base}/health/detailed?verbose=1")
        assert detail is not None
        assert detail.json()["checks"] == {"database": "unhealthy: failed"}
        assert httpx.get(f"{base}/metrics").text == "up 1\n"
        assert httpx.get(f"{base}/api").status_code == 404
        assert httpx.head(f"{base}/health/live").status_code == 200
        assert httpx.post(f"{base}/health/live").status_code == 405


def test_the_first_worker_serves_it_and_another_takes_over() -> None:
    """With two workers the port answers; when the serving worker ends, the other takes over."""
    port, management = free_port(), free_port()
    url = f"http://127.0.0.1:{management}/health/live"
    with served(port, "--workers", "2", ETTER_OBS_MANAGEMENT_PORT=str(management)) as process:
        assert eventually(lambda: answer(url), deadline_s=30).status_code == 200
        holder = _listener_of(management)
        assert holder is not None
        assert holder != process.pid
        os.kill(holder, signal.SIGKILL)
        eventually(lambda: _listener_of(management) not in (None, holder), deadline_s=60)
        assert eventually(lambda: answer(url), deadline_s=30).status_code == 200


def _listener_of(port: int) -> int | None:
    """The process that listens on ``port``."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,):
            return connection.pid
    return None


async def raw(port: int, data: bytes) -> bytes:
    """What the port answers to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    told = await reader.read()
    writer.close()
    return told


async def opened(caplog: pytest.LogCaptureFixture, **settings: object) -> tuple[Health, int]:
    """A started Health and the management port that it chose."""
    caplog.set_level(logging.INFO, "etter_obs.health")
    health = Health(Settings(management_port=0, **settings))  # type: ignore[arg-type]
    health.start()
    return health, int((await told(caplog, 0)).rsplit(":", 1)[1])


async def told(caplog: pytest.LogCaptureFixture, number: int) -> str:
    """Return the log's message of this number, once it exists."""
    for _ in range(1_000):
        if len(caplog.records) > number:
            return caplog.records[number].getMessage()
        await asyncio.sleep(0.01)
    raise AssertionError(f"only {caplog.messages}")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /health/live HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET /health/live SPDY/9\r\n\r\n", b"400"),
        (b"GET /health/\xff HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /health/live HTTP/1.0\r\n\r\n", b"200"),
        (b"GET " + b"a" * 20_000, b""),
    ],
)
async def test_what_is_not_http_hurts_nothing(
    data: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Malformed and oversized requests get a 400 or a closed door; the next one is answered."""
    health, port = await opened(caplog)
    try:
        assert (await raw(port, data))[9:12] == status
        told = await raw(port, b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'"status":"healthy"' in told
    finally:
        health.close()


async def test_before_the_app_has_started_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """While the app's own start-up runs, live is 200, startup and ready are 503: starting."""
    health, port = await opened(caplog)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/health") as http:
            assert (await http.get("/live")).status_code == 200
            for path in ("/startup", "/ready", "/detailed"):
                response = await http.get(path)
                assert (response.status_code, response.json()["reason"]) == (503, "starting")
            health.mark_started()
            for path in ("/startup", "/ready", "/detailed"):
                assert (await http.get(path)).status_code == 200
    finally:
        health.close()


async def test_a_port_in_use_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """While another process has the port it waits, and logs that once; then it serves the port."""
    caplog.set_level(logging.INFO, "etter_obs.health")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        health = Health(Settings(management_port=port))
        health.start()
        assert "waiting until it is free" in await told(caplog, 0)
    try:
        assert "open on" in await told(caplog, 1)
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{port}/health/live")
            assert answer.status_code == 200
    finally:
        health.close()


async def test_close_frees_the_port(caplog: pytest.LogCaptureFixture) -> None:
    """After close() the port is closed."""
    health, port = await opened(caplog)
    health.close()
    for _ in range(500):
        if _listener_of(port) is None:
            break
        await asyncio.sleep(0.01)
    assert _listener_of(port) is None
