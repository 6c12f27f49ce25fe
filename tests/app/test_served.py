"""What only a real server does: it reads on from within a request, and hears the client leave."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
import websockets
from fastapi import FastAPI, Request, WebSocket

from etter_obs._internal.context import current_request
from tests.app.asgi import observed, scrape
from tests.servers import running
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
theirs: ContextVar[str | None] = ContextVar("theirs", default=None)


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """Serve an app by uvicorn in this loop; gives the port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, http="h11", log_config=None))
    serve = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serve


async def test_a_request_sees_nothing_of_the_one_before_on_its_connection() -> None:
    """After a body so large that reading had to wait, the next request begins with nothing."""
    app = FastAPI()

    @app.post("/large")
    async def large(request: Request) -> int:
        theirs.set("the first one's")
        structlog.contextvars.bind_contextvars(tenant="the first one's")
        return len(await request.body())

    @app.get("/next")
    async def next_one() -> dict[str, Any]:
        bound = structlog.contextvars.get_contextvars()
        return {"var": theirs.get(), "bound": bound, "id": current_request.get().request_id}  # type: ignore[union-attr]

    with observed(app):
        async with (
            serving(app) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            first = await client.post("/large", content=b"x" * 400_000)
            assert first.json() == 400_000
            for _ in range(2):
                answer = await client.get("/next")
                its_id = answer.headers["X-Request-ID"]
                assert answer.json() == {"var": None, "bound": {}, "id": its_id}
                assert its_id != first.headers["X-Request-ID"]
        assert sum((await scrape(app)).of("requests_total").values()) == 3


async def test_a_request_within_a_request_leaves_its_ids_with_itself() -> None:
    """An app that calls itself in its own process is, afterwards, in its own request again."""
    app = FastAPI()

    @app.get("/inner")
    async def inner() -> str:
        return current_request.get().request_id  # type: ignore[union-attr]

    @app.get("/outer")
    async def outer() -> tuple[str, str, str]:
        before = current_request.get()
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://inner") as client:
            answer = await client.get("/inner")
        after = current_request.get()
        assert before is not None
        assert after is not None
        return before.request_id, answer.json(), after.request_id

    with observed(app):
        async with (
            serving(app) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            before, within, after = (await client.get("/outer")).json()
        assert before == after != within
        paths = {labels[1]: n for labels, n in (await scrape(app)).of("requests_total").items()}
        assert paths == {"/outer": 1, "/inner": 1}


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("path", ["/slow", "/slow-body"])
async def test_a_client_that_leaves_while_the_app_works_is_a_499(path: str, stays: bool) -> None:
    """Neither app nor server reports it, yet a slow response is counted as 499."""
    app = FastAPI()
    works, gone = asyncio.Event(), asyncio.Event()

    async def slow() -> int:
        works.set()
        await gone.wait()
        await asyncio.sleep(0.15)  # the app's own slowness
        return 1

    app.add_api_route("/slow", slow)

    @app.post("/slow-body")
    async def slow_body(request: Request) -> int:
        await request.body()
        return await slow()

    with observed(app):
        async with serving(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            method, body = ("GET", b"") if path == "/slow" else ("POST", b"body")
            writer.write(
                b"%s %s HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s"
                % (method.encode(), path.encode(), len(body), body)
            )
            await works.wait()
            if not stays:
                writer.close()
                await writer.wait_closed()
            gone.set()
            if stays:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(1) == b"1"  # to the last byte
                writer.close()
        status = "200" if stays else "499"
        assert (await scrape(app)).of("requests_total") == {(method, path, status): 1.0}


@pytest.mark.parametrize("code", [1000, 1001, 4000])
async def test_a_client_that_closes_a_websocket_is_no_error(
    capsys: pytest.CaptureFixture[str], code: int
) -> None:
    """The exception that reports it may leave the app: no error is counted or logged."""
    app = FastAPI()

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            await socket.send_text(await socket.receive_text())

    with observed(app) as observability:
        async with serving(app) as port:
            client = await websockets.connect(f"ws://127.0.0.1:{port}/echo")
            await client.send("hello")
            assert await client.recv() == "hello"
            await client.close(code)
        metrics = await scrape(app)
        assert metrics.of("exceptions_total") == {}
        assert metrics.value("websocket_duration_seconds_count", "/echo") == 1
        observability.flush(5)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        [line] = [line for line in lines if line["logger"] == "etter_obs.access"]
        assert (line["level"], line["status_code"]) == ("INFO", 101)
        assert "error_type" not in line


@pytest.mark.parametrize(
    ("variable", "held", "says"),
    [
        ("LOG_LEVEL", "loud", "LOG_LEVEL holds 'loud': it takes"),
        ("ETTER_OBS_SLO_FILE", "wrong.yaml", "wrong.yaml:1:1: 'environment'"),
    ],
)
def test_a_server_with_bad_input_ends_with_what_is_wrong(
    tmp_path: Path, variable: str, held: str, says: str
) -> None:
    """Under uvicorn a bad variable and a bad spec are one line without traceback, exit code 2."""
    (tmp_path / "wrong.yaml").write_text("servise: etter\n")
    (tmp_path / "main.py").write_text(
        "from fastapi import FastAPI\n"
        "from etter_obs import setup_observability\n"
        "app = FastAPI()\n"
        "setup_observability(app)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "main:app", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), variable: held},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"etter-obs: {says}")
    assert all(line.startswith(held) for line in lines[1:])  # a spec's other faults


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_a_guarded_page_stays_shut_on_a_server(server: str) -> None:
    """What a well-known library exposes in the lifespan, guarded, it alone answers."""
    with running(server, "tests.app.guarded:app") as run:
        assert run.get("/metrics").status_code == 401
        opened = run.get("/metrics", headers={"Authorization": "Bearer the-apps-own"})
        assert 'shop_orders_total{customer="acme"} 1.0' in opened.text
        assert "etter_requests_total" not in opened.text
        ready = run.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, "the app's own")
        assert ready.headers["X-Request-ID"]
        assert run.get("/health/live").json()["status"] == "healthy"
        for told in ("The app serves /metrics itself", "are served at /health/live"):
            eventually(lambda told=told: told in run.said(), deadline_s=10)  # type: ignore[misc]
