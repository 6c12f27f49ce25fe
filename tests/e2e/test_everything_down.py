"""With every back end unreachable, the app starts, answers, and reports it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from demo.databases import free_port
from demo.processes import child, tail
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

# uvicorn drops the connection after an unhandled exception, so none is used twice
ONCE = httpx.Limits(max_keepalive_connections=0)


@pytest.fixture(params=["refuse", "hang"])
def away(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port where connections are refused, or taken and never answered."""
    if request.param == "refuse":
        yield free_port()
        return
    with closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as deaf:
        yield deaf.getsockname()[1]


def test_the_app_starts_answers_and_says_what_is_away(away: int, tmp_path: Path) -> None:
    """Collector, Sentry, Redis and database down: routes without them answer, the others fail soon.

    /health/detailed names each that is away, ready is 503, and SIGTERM still ends the process.
    """
    port = free_port()
    environment = {
        "ETTER_RUN_DIR": str(tmp_path),
        "DATABASE_URL": f"postgresql://etter:hunter2@127.0.0.1:{away}/etter",
        "REDIS_URL": f"redis://127.0.0.1:{away}/0",
        "APM_ENABLED": "true",
        "OTEL_TRACES_SAMPLER_ARG": "1.0",
        "OTLP_ENDPOINT": f"127.0.0.1:{away}",
        "ERROR_TRACKING_ENABLED": "true",
        "SENTRY_DSN": f"http://key@127.0.0.1:{away}/1",
    }
    command = [sys.executable, "-m", "uvicorn", "examples.etter_backend.main:app"]
    command += ["--port", str(port)]
    with (
        child("backend", command, log_dir=tmp_path, env=environment) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, limits=ONCE) as http,
    ):
        begun = time.monotonic()

        def live() -> bool:
            with suppress(httpx.TransportError):
                return http.get("/health/live").status_code == 200
            return False

        eventually(live, deadline_s=60, every_s=0.1, tell=lambda: tail(tmp_path / "backend.err"))

        detailed = http.get("/health/detailed")
        assert detailed.status_code == 503
        told = detailed.json()
        assert told["status"] == "unhealthy"
        reasons = {"unhealthy: unreachable", "unhealthy: timeout"}
        assert {told["checks"]["database"], told["checks"]["redis"]} <= reasons
        assert told["checks"]["search"] != "healthy"
        assert "hunter2" not in detailed.text
        assert http.get("/health/ready").status_code == 503

        for path in ("/api/etter/roles/analyst/adjacent", "/api/etter/model/tasks/plan"):
            assert http.get(path).status_code == 200
        assert http.post("/api/etter/simulation/run", json={}).status_code == 200
        failed = http.get("/api/etter/companies/search", params={"q": "ac"})
        assert failed.status_code == 500
        assert failed.headers["X-Request-ID"]
        assert 'etter_health_check_up{check="database"} 0' in http.get("/metrics").text
        assert time.monotonic() - begun < 100

        process.terminate()
        try:
            process.wait(25)
        except subprocess.TimeoutExpired:
            pytest.fail("SIGTERM did not end the process within 25 s")
    assert "hunter2" not in (tmp_path / "backend.log").read_text()
