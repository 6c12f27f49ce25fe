"""What an app serves itself at our paths stays its own, whatever way it does that."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router

from etter_obs import Settings, SettingsError, get_logger
from tests.app.asgi import observed, request, scrape

SECRET = "orders_of_customer_acme 7"
TOKEN = [(b"authorization", b"Bearer the app's")]


def with_token(request: Request) -> None:
    """Let only the bearer of the app's own token pass."""
    if request.headers.get("authorization") != "Bearer the app's":
        raise HTTPException(401)


async def metrics() -> Response:
    """Answer with what only the bearer may see."""
    return PlainTextResponse(SECRET)


async def not_ready() -> Response:
    """Report that the app is not ready."""
    return PlainTextResponse("the app's own", status_code=503)


async def opaque(scope: Any, receive: Any, send: Any) -> None:
    """Guard by itself whatever is asked, as an application of another framework does."""
    guarded = dict(scope["headers"]).get(b"authorization") is None
    status = 503 if "ready" in scope["path"] else 401 if guarded else 200
    await PlainTextResponse(SECRET, status_code=status)(scope, receive, send)


def by_routes(app: FastAPI) -> None:
    """Declare them on the app."""
    app.get("/metrics", dependencies=[Depends(with_token)])(metrics)
    app.get("/health/ready")(not_ready)


def by_a_router(app: FastAPI) -> None:
    """Include a router with a prefix."""
    router = APIRouter(prefix="/health")
    router.get("/ready")(not_ready)
    app.include_router(router)
    guarded = APIRouter(dependencies=[Depends(with_token)])
    guarded.get("/metrics")(metrics)
    app.include_router(guarded)


def by_parameters(app: FastAPI) -> None:
    """Have one route for several names below a fixed one."""

    @app.get("/health/{name}")
    async def health(name: str) -> Response:
        return await not_ready()

    app.get("/metrics", dependencies=[Depends(with_token)])(metrics)


def by_a_mounted_app(app: FastAPI) -> None:
    """Mount an app at the root."""
    mounted = FastAPI()
    by_routes(mounted)
    app.mount("", mounted)


def by_mounts_of_their_own(app: FastAPI) -> None:
    """Mount opaque applications at the very paths, as prometheus_client's is mounted."""
    app.mount("/metrics", opaque)
    app.mount("/health", opaque)


def by_an_opaque_mount(app: FastAPI) -> None:
    """Mount an application of another framework at the root."""
    app.router.routes.append(Mount("/", opaque))


def by_a_host(app: FastAPI) -> None:
    """Mount an application under a host name."""
    app.router.routes.append(Host("shop.example", opaque))


def by_a_catch_all(app: FastAPI) -> None:
    """Answer everything by one route, as a proxy does."""

    @app.get("/{path:path}")
    async def proxy(path: str, request: Request) -> Response:
        if path == "health/ready":
            return await not_ready()
        with_token(request)
        return await metrics()


def by_plain_routes(app: FastAPI) -> None:
    """Append Starlette's own routes."""

    async def guarded(request: Request) -> Response:
        with_token(request)
        return await metrics()

    async def ready(request: Request) -> Response:
        return await not_ready()

    app.router.routes += [Route("/metrics/", guarded), Route("/health/ready", ready)]


def by_the_routers_default(app: FastAPI) -> None:
    """Pass on what no route answers."""
    app.router.default = opaque


WAYS = [
    by_routes,
    by_a_router,
    by_parameters,
    by_a_mounted_app,
    by_mounts_of_their_own,
    by_an_opaque_mount,
    by_a_host,
    by_a_catch_all,
    by_plain_routes,
    by_the_routers_default,
]


async def asked(app: Any, path: str, headers: Any = ()) -> tuple[int, bytes]:
    """Return the answer of the app to a GET, redirects followed once."""
    headers = [(b"host", b"shop.example"), *headers]
    answer = await request(app, "GET", path, headers)
    if answer.status in (307, 308):
        location = answer.header("location")[0].removeprefix("http://shop.example")
        answer = await request(app, "GET", location, headers)
    return answer.status, answer.body


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """Return what is logged of probes at a level."""
    ours = [r for r in caplog.records if r.name == "etter_obs.requests"]
    return [record.getMessage() for record in ours if record.levelno == level]


@pytest.mark.parametrize("late", [False, True], ids=["before", "later"])
@pytest.mark.parametrize("serve", WAYS, ids=lambda way: way.__name__)
async def test_what_the_app_serves_itself_is_answered_as_without_us(
    serve: Callable[[FastAPI], None], late: bool
) -> None:
    """A guarded /metrics stays closed, a /health/ready of 503 stays 503, however defined.

    That holds for what is there at set-up, and for what is added when ours has answered already.
    """
    plain = FastAPI()
    serve(plain)
    questions = [("/metrics", ()), ("/metrics", TOKEN), ("/health/ready", ())]
    without = [await asked(plain, *question) for question in questions]
    assert [status for status, _ in without] == [401, 200, 503]
    app = FastAPI()
    if not late:
        serve(app)
    with observed(app):
        if late:
            assert (await asked(app, "/metrics"))[0] == 200
            assert (await asked(app, "/health/ready"))[0] == 200
            serve(app)
        assert [await asked(app, *question) for question in questions] == without


async def test_what_guards_the_whole_app_guards_the_metrics_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A middleware that rejects everyone closes /metrics, not health; the log has the remedy.

    With a token of its own /metrics needs no other guard.
    """

    def guarded_app() -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def guard(request: Request, call_next: Any) -> Response:
            if request.headers.get("authorization") != "Bearer the app's":
                return PlainTextResponse("no", status_code=401)
            response: Response = await call_next(request)
            return response

        return app

    app = guarded_app()
    with observed(app):
        for _ in range(2):
            assert (await request(app, "GET", "/metrics")).status == 401
        passed = await request(app, "GET", "/metrics", TOKEN)
        assert passed.status == 200
        assert b"etter_requests_total" in passed.body
        assert (await request(app, "GET", "/health/ready")).status == 200
    (told,) = said(caplog, logging.WARNING)
    assert "A middleware of the app answered /metrics with 401, before etter-obs" in told
    assert "ETTER_OBS_METRICS_TOKEN" in told
    app = guarded_app()
    with observed(app, metrics_token="ours"):
        assert (await request(app, "GET", "/metrics")).status == 401
        ours = [(b"authorization", b"Bearer ours")]
        assert (await request(app, "GET", "/metrics", ours)).status == 200


async def test_a_path_that_is_chosen_goes_before_a_catch_all_and_never_before_a_route(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A configured path serves ours, unless a route of the app has exactly that path."""
    app = FastAPI()
    app.get("/own/live")(not_ready)

    @app.get("/{path:path}")
    async def page(path: str) -> str:
        return "the app's page"

    with observed(app):
        assert (await request(app, "GET", "/metrics")).body == b'"the app\'s page"'
    (told,) = said(caplog, logging.WARNING)
    assert "catch-all route of the app answered /metrics with 200, before etter-obs. Set " in told
    with observed(app, metrics_path="/own/metrics", health_path="/own"):
        assert b"etter_" in (await request(app, "GET", "/own/metrics")).body
        assert (await request(app, "GET", "/own/ready")).status == 200
        assert (await request(app, "GET", "/own/live")).status == 503
        assert (await request(app, "GET", "/health/live")).body == b'"the app\'s page"'


async def test_a_chosen_path_before_a_catch_all_stays_behind_the_apps_guard() -> None:
    """The guard's answer is kept, and a request that passes it gets ours, not the catch-all's."""
    app = FastAPI()
    by_a_catch_all(app)

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        if request.headers.get("authorization") != "Bearer the app's":
            return PlainTextResponse("no", status_code=403)
        response: Response = await call_next(request)
        return response

    with observed(app, metrics_path="/internal/metrics"):
        assert (await request(app, "GET", "/internal/metrics")).status == 403
        assert b"etter_" in (await request(app, "GET", "/internal/metrics", TOKEN)).body


@pytest.mark.parametrize("short", ["/h", "/-/hz"])
async def test_a_short_path_is_known_as_well(short: str) -> None:
    """Ours answer, uncounted, at paths that are shorter than the usual ones."""
    app = FastAPI()
    with observed(app, health_path=short, metrics_path=f"{short}m"):
        for path in (f"{short}/live", f"{short}m"):
            assert (await request(app, "GET", path)).status == 200
        assert (await request(app, "GET", f"{short}more")).status == 404
        page = (await request(app, "GET", f"{short}m")).body.decode()
    counted = [line for line in page.splitlines() if "requests_total{" in line]
    assert [line for line in counted if not line.endswith(" 0.0")] == [
        'etter_requests_total{method="GET",endpoint="__unmatched__",status="404"} 1.0'
    ]


def test_metrics_and_health_need_paths_of_their_own() -> None:
    """One path for both is refused; a path beside those of health is not."""
    assert Settings.from_env({"ETTER_OBS_METRICS_PATH": "/health/metrics"}).metrics_path
    with pytest.raises(SettingsError, match="ETTER_OBS_METRICS_PATH"):
        Settings.from_env({"ETTER_OBS_METRICS_PATH": "/health/live"})


async def test_the_start_says_where_ours_are_and_where_they_gave_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line lists ours; each path that the app serves itself is a warning with the remedy.

    What is added while the app starts is known by then; what is added later is said at the first
    request that meets it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        by_routes(app)
        yield

    caplog.set_level(logging.INFO, "etter_obs.requests")
    app = FastAPI(lifespan=lifespan)
    with observed(app):
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            assert message["type"].endswith(".complete")

        await app({"type": "lifespan", "asgi": {}}, receive, send)
        ready, metrics = said(caplog, logging.WARNING)
        assert ready.startswith("The app serves /health/ready itself, so etter-obs does not. Set ")
        assert metrics.startswith("The app serves /metrics itself, so etter-obs does not. Set ")
        (ours,) = said(caplog, logging.INFO)
        assert ours.endswith(" at /health/live, /health/startup, /health/detailed")
        app.get("/health/live")(not_ready)
        caplog.clear()
        for _ in range(2):
            assert (await request(app, "GET", "/health/live")).status == 503
        (later,) = said(caplog, logging.WARNING)
        assert "/health/live" in later


async def test_the_apps_own_probes_have_their_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """A health route of the app carries its ids in header and lines, and is not counted."""
    app = FastAPI()

    @app.get("/health/db")
    async def db() -> str:
        get_logger("shop").warning("asking the database")
        return "fine"

    with observed(app):
        answer = await request(app, "GET", "/health/db", [(b"x-request-id", b"from-the-probe")])
        assert (answer.status, answer.header("X-Request-ID")) == (200, ["from-the-probe"])
        assert (await scrape(app)).of("requests_total") == {}
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "asking" in line]
    assert '"request_id":"from-the-probe"' in line


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "in-a-middleware"])
async def test_probes_of_a_mounted_app_count_nowhere(wrapped: bool) -> None:
    """The outer app leaves out the probes of a mounted one that is observed, its own ones too."""
    inner = FastAPI()
    inner.get("/health/db")(metrics)
    app = FastAPI()
    app.mount("/api", inner)
    if wrapped:

        @app.middleware("http")
        async def passes(request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            return response

    with observed(inner), observed(app) as observability:
        for path in ("/api/health/ready", "/api/metrics", "/api/health/db"):
            assert (await request(app, "GET", path)).status == 200
        observability.flush(1.0)
        found = await scrape(app)
        assert found.of("requests_total") == {}
        assert found.value("active_requests") == 0
        assert (await request(app, "GET", "/api/health/ready")).header("X-Request-ID") != []


def test_a_router_is_not_mistaken_for_a_catch_all() -> None:
    """The default of Starlette's router is known by name; if that moves, ours would ask first."""
    assert FastAPI().router.default.__func__ is Router.not_found  # type: ignore[attr-defined]
