from __future__ import annotations

import asyncio
import json
import logging
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import create_engine

from etter_obs import Settings, SettingsError, SpecError, setup_observability
from etter_obs._internal.bundle import default_spec_path
from tests.app.apps import make_app
from tests.app.asgi import observed, request, scope, scrape
from tests.servers import running
from tests.waiting import eventually


async def test_a_second_call_returns_the_first_ones_handle() -> None:
    """Set-up is idempotent: one handle, and requests are counted once."""
    app = make_app()
    with observed(app) as observability:
        assert setup_observability(app) is observability
        await request(app, "GET", "/files/a")
        assert sum((await scrape(app)).of("requests_total").values()) == 1


async def test_shutdown_undoes_everything_and_set_up_works_again() -> None:
    """Handlers, structlog, httpx and the app's stack are as before; a new set-up observes again."""
    app = make_app()
    root = logging.getLogger()
    before = (
        root.handlers[:],
        root.level,
        structlog.get_config(),
        app.build_middleware_stack,
        set(vars(app)),
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
    )
    with observed(app) as observability:
        await request(app, "GET", "/files/a")
        observability.shutdown()
        observability.shutdown()
    after = (
        root.handlers[:],
        root.level,
        structlog.get_config(),
        app.build_middleware_stack,
        set(vars(app)),
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
    )
    assert after == before
    assert (await request(app, "GET", "/files/a")).header("X-Request-ID") == []
    with observed(app) as again:
        assert again is not observability
        await request(app, "GET", "/files/a")
        assert sum((await scrape(app)).of("requests_total").values()) == 1


async def test_middleware_and_routes_may_be_added_after_set_up() -> None:
    """Middleware added later is inside ours, and routes added later are known."""
    app = FastAPI()
    with observed(app):
        seen: list[str] = []

        class Later:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                seen.append(scope["path"])
                await self.app(scope, receive, send)

        app.add_middleware(Later)

        @app.get("/later/{x}")
        async def later(x: str) -> str:
            return x

        answer = await request(app, "GET", "/later/1")
        assert answer.header("X-Request-ID") != []
        assert seen == ["/later/1"]
        assert (await scrape(app)).of("requests_total") == {("GET", "/later/{x}", "200"): 1.0}


async def test_an_app_that_runs_already_can_be_observed() -> None:
    """Set up after the first request, the next one is observed."""
    app = make_app()
    assert (await request(app, "GET", "/files/a")).header("X-Request-ID") == []
    with observed(app):
        assert (await request(app, "GET", "/files/a")).header("X-Request-ID") != []


async def test_the_life_of_the_app_reaches_health() -> None:
    """The startup probe passes once the app's own start-up is done, not before."""
    app = make_app()
    with observed(app):
        steps: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        life = asyncio.create_task(app({"type": "lifespan", "asgi": {}}, steps.get, answers.put))  # type: ignore[arg-type]
        await steps.put({"type": "lifespan.startup"})
        assert (await answers.get())["type"] == "lifespan.startup.complete"
        assert (await request(app, "GET", "/health/startup")).status == 200
        await steps.put({"type": "lifespan.shutdown"})
        assert (await answers.get())["type"] == "lifespan.shutdown.complete"
        await life


async def test_an_engine_is_measured_and_checked() -> None:
    """``engine=`` brings the pool's metrics and a database check."""
    app = make_app()
    engine = create_engine("sqlite://")
    observability = setup_observability(app, engine=engine, settings=Settings())
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("select 1")
        metrics = await scrape(app)
        assert metrics.value("db_query_duration_seconds_count", "select") == 1
        local = await request(app, "GET", "/health/detailed", client=("127.0.0.1", 1))
        assert b'"database":"healthy"' in local.body.replace(b" ", b"")
    finally:
        observability.shutdown()
        engine.dispose()


def test_a_bad_environment_is_one_error_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error names the variable, its value and the accepted values; logging is as it was."""
    handlers = logging.getLogger().handlers[:]
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsError, match=r"LOG_LEVEL holds 'LOUD': it takes one of"):
        setup_observability(FastAPI())
    assert logging.getLogger().handlers == handlers


def test_a_bad_spec_is_one_error_and_leaves_nothing_behind(tmp_path: Any) -> None:
    """An slo.yaml with an objective of 100 % is refused at start, by file and line."""
    bad = tmp_path / "slo.yaml"
    handlers = logging.getLogger().handlers[:]
    bad.write_text("version: 1\nservice: x\nobjective: 100%\n")
    with pytest.raises(SpecError, match=r"slo\.yaml"):
        setup_observability(FastAPI(), settings=Settings(slo_file=bad))
    assert logging.getLogger().handlers == handlers


def test_importing_the_package_loads_no_part_of_it() -> None:
    """``import etter_obs`` loads neither FastAPI, nor OpenTelemetry, nor what the CLI needs."""
    code = """
        import sys
        import etter_obs
        heavy = {"fastapi", "opentelemetry", "click", "rich", "yaml", "structlog", "sqlalchemy"}
        print(sorted(heavy & set(sys.modules)))
        print(sorted(set(etter_obs.__all__) - set(dir(etter_obs)) - set(etter_obs._HOMES)))
        for name in etter_obs.__all__:
            getattr(etter_obs, name)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "[]"]


async def test_behind_a_trusted_proxy_the_clients_own_address_is_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """X-Forwarded-For counts where a trusted proxy sent it, and from its end."""
    app = make_app()
    forwarded = [(b"x-forwarded-for", b"203.0.113.9, 198.51.100.1, 10.0.0.2")]
    with observed(app, trusted_proxies=("10.0.0.0/8", "192.0.2.7/32")):
        await request(app, "GET", "/files/trusted", forwarded)
        await request(app, "GET", "/files/stranger", forwarded, client=("192.0.2.8", 1))
    lines = capsys.readouterr().out.splitlines()
    (trusted,) = [line for line in lines if "/files/trusted" in line]
    (stranger,) = [line for line in lines if "/files/stranger" in line]
    assert '"client_ip":"198.51.100.1"' in trusted
    assert '"client_ip":"192.0.2.8"' in stranger


@pytest.mark.parametrize(
    ("peer", "forwarded", "client_ip"),
    [
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:192.0.2.8", "198.51.100.1", "::ffff:192.0.2.8"),
        ("10.0.0.1", "198.51.100.1, ::ffff:10.0.0.9", "198.51.100.1"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1:5678, 10.0.0.2:80", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "198.51.100.1, [::1]x, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1:, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1" + ", 10.0.0.2" * 100, "10.0.0.2"),
        # of these 526 bytes the last 512 are read, which begin with 0.0.0.20
        ("10.0.0.1", "198.51.100.1," + "10.0.0.20," * 50 + "    10.0.0.30", "10.0.0.20"),
    ],
)
async def test_a_clients_address_is_read_however_a_proxy_writes_it(
    capsys: pytest.CaptureFixture[str], peer: str, forwarded: str, client_ip: str
) -> None:
    """IPv4 written as IPv6, ports and brackets are understood; half an address is none."""
    app = make_app()
    with observed(app, trusted_proxies=("10.0.0.0/8",)):
        headers = [(b"x-forwarded-for", forwarded.encode())]
        await request(app, "GET", "/files/asked", headers, client=(peer, 1))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "/files/asked" in line]
    assert json.loads(line)["client_ip"] == client_ip


async def test_the_source_of_the_targets_is_logged_once_at_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's own slo.yaml is one INFO line; the package's example is a WARNING and a metric.

    The warning offers the slo.yaml of the working directory, or of the folder that `init` makes
    there, where there is one.
    """
    made = tmp_path / "shop/etter-obs/slo.yaml"
    made.parent.mkdir(parents=True)
    shutil.copy(default_spec_path(), made)
    own = tmp_path / "slo.yaml"
    own.write_text(default_spec_path().read_text().replace("service: etter", "service: shop"))
    for folder, file, level, said in (
        (tmp_path.parent, own, "INFO", f"SLO targets of shop: {own}, sha256 "),
        (tmp_path.parent, None, "WARNING", "Run `etter-obs init` and set ETTER_OBS_SLO_FILE to"),
        (tmp_path, None, "WARNING", f"Set ETTER_OBS_SLO_FILE={own} to use"),
        (tmp_path / "shop", None, "WARNING", f"Set ETTER_OBS_SLO_FILE={made} to use"),
    ):
        monkeypatch.chdir(folder)
        app = make_app()
        with observed(app, slo_file=file) as observability:
            for _ in range(2):
                await request(app, "GET", "/files/a")
            metrics = await scrape(app)
            assert metrics.value("slo_spec_info", observability.spec.sha256) == 1
            assert metrics.value("slo_default_targets") == (file is None)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        (named,) = [line for line in lines if "targets" in line["message"]]
        assert named["level"] == level
        assert said in named["message"]


@pytest.mark.parametrize("place", ["main.py", "src/shop/main.py"])
def test_the_slo_file_beside_the_app_is_offered_wherever_it_is_started(
    place: str, tmp_path: Path
) -> None:
    """An app that a server starts from another folder still finds the slo.yaml of its project."""
    own = tmp_path / "project/slo.yaml"
    own.parent.mkdir()
    shutil.copy(default_spec_path(), own)
    main = own.parent / place
    main.parent.mkdir(parents=True, exist_ok=True)
    main.write_text(
        "from fastapi import FastAPI\nfrom etter_obs import setup_observability\n"
        "app = FastAPI()\nsetup_observability(app)\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with running("uvicorn", "main:app", "--app-dir", str(main.parent), cwd=elsewhere) as run:
        told = f"Set ETTER_OBS_SLO_FILE={own} to use"
        eventually(lambda: told in run.said(), deadline_s=10, tell=run.said)


async def test_whatever_breaks_inside_the_request_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where recording itself fails, the client has its answer and the next request is served."""
    app = make_app()
    with observed(app) as observability:
        await request(app, "GET", "/files/a")

        def broken(*args: object) -> None:
            raise RuntimeError("the recorder is broken")

        monkeypatch.setattr(observability._parts.requests, "series", broken)
        assert (await request(app, "GET", "/files/a")).status == 200
        assert (await request(app, "GET", "/files/b")).status == 200
    assert scope("GET", "/")["type"] == "http"
