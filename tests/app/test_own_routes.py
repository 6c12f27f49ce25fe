"""What the app serves itself at our paths is never taken over, wherever it is defined."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, Counter, make_asgi_app
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from etter_obs._internal.context import current_request
from tests.app.asgi import observed, request, scrape

OPENMETRICS = [(b"accept", b"application/openmetrics-text")]


def guarded(request: Request) -> PlainTextResponse:
    """Require a token, like an app whose metrics name its customers."""
    if request.headers.get("authorization") != "Bearer mine":
        raise HTTPException(401)
    return PlainTextResponse("customers 1")


def route(app: FastAPI) -> None:
    """Define it as a plain route."""
    app.get("/metrics")(guarded)


def router(app: FastAPI) -> None:
    """Define it on a router that is included."""
    included = APIRouter()
    included.get("/metrics")(guarded)
    app.include_router(included)


def sub_app(app: FastAPI) -> None:
    """Define it in an app that is mounted at the root."""
    inner = FastAPI()
    inner.get("/metrics")(guarded)
    app.mount("", inner)


def slash(app: FastAPI) -> None:
    """Mount an application, to which the router redirects."""
    app.mount("/metrics", Starlette(routes=[Route("/", guarded)]))


def catch_all(app: FastAPI) -> None:
    """Pass every path on, as a proxy does."""

    async def anything(path: str, request: Request) -> PlainTextResponse:
        if path != "metrics":
            raise HTTPException(404)
        return guarded(request)

    app.get("/{path:path}")(anything)


DEFINITIONS: list[Callable[[FastAPI], None]] = [route, router, sub_app, slash, catch_all]


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("define", DEFINITIONS, ids=lambda one: one.__name__)
async def test_an_authenticated_metrics_route_is_never_opened(
    define: Callable[[FastAPI], None], late: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The app's /metrics returns 401 without its token and its own text with it, as without us.

    That it has won is a WARNING at start, which names the ways to serve ours elsewhere.
    """
    app = FastAPI()
    if not late:
        define(app)
    with observed(app):
        if late:
            define(app)
        path = "/metrics/" if define is slash else "/metrics"
        assert (await request(app, "GET", path, OPENMETRICS)).status == 401
        answer = await request(app, "GET", path, [(b"authorization", b"Bearer mine")])
        assert (answer.status, answer.body) == (200, b"customers 1")
        if define is slash:
            assert (await request(app, "GET", "/metrics", OPENMETRICS)).status == 307
        assert (await request(app, "GET", "/health/live")).status == 200
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (said,) = [line for line in lines if "ETTER_OBS_METRICS_PATH" in line["message"]]
    assert said["level"] == "WARNING"
    assert "/metrics" in said["message"]


async def test_prometheus_clients_own_endpoint_stays() -> None:
    """An app that has mounted prometheus_client's exposition goes on serving that."""
    app, own = FastAPI(), CollectorRegistry()
    Counter("orders", "Orders.", registry=own).inc()
    app.mount("/metrics", make_asgi_app(own))
    with observed(app):
        body = (await request(app, "GET", "/metrics/")).body
        assert b"orders_total 1.0" in body
        assert b"etter_" not in body


async def test_the_apps_own_readiness_wins_and_our_others_stay() -> None:
    """Its /health/ready returns 503 with the request's id; /health/live is ours."""
    app = FastAPI()
    ids: list[str] = []

    @app.get("/health/ready")
    async def ready() -> None:
        known = current_request.get()
        assert known is not None
        ids.append(known.request_id)
        raise HTTPException(503, "no")

    with observed(app):
        answer = await request(app, "GET", "/health/ready")
        assert (answer.status, answer.body) == (503, b'{"detail":"no"}')
        assert answer.header("X-Request-ID") == ids
        assert (await request(app, "GET", "/health/live")).status == 200
        assert (await scrape(app)).of("requests_total") == {}


async def test_a_method_that_the_apps_route_lacks_is_refused_by_the_app() -> None:
    """A path of the app's is the app's for every method."""
    app = FastAPI()
    app.post("/metrics")(guarded)
    with observed(app):
        assert (await request(app, "GET", "/metrics")).status == 405


async def test_static_files_at_the_root_leave_our_paths_to_us(tmp_path: Any) -> None:
    """Where no file of that name is, ours answers; a file of that name is the app's."""
    (tmp_path / "health").mkdir()
    (tmp_path / "health/live").write_text("a file")
    app = FastAPI()
    app.mount("/", StaticFiles(directory=tmp_path))
    with observed(app):
        assert (await request(app, "GET", "/health/live")).body == b"a file"
        assert (await request(app, "GET", "/health/ready")).status == 200
        assert (await request(app, "GET", "/metrics", OPENMETRICS)).body.endswith(b"# EOF\n")


async def test_the_paths_can_be_chosen_and_switched_off() -> None:
    """ETTER_OBS_METRICS_PATH and ETTER_OBS_HEALTH_PATH move ours; None takes them off the port."""
    app = FastAPI()
    with observed(app, metrics_path="/internal/metrics", health_path="/internal/health"):
        assert (await request(app, "GET", "/metrics")).status == 404
        assert (await request(app, "GET", "/health/live")).status == 404
        assert (await request(app, "GET", "/internal/health/live")).status == 200
        answer = await request(app, "GET", "/internal/metrics", OPENMETRICS)
        assert answer.body.endswith(b"# EOF\n")
        assert b'endpoint="__unmatched__"' not in answer.body
    with observed(app, metrics_path=None, health_path=None):
        assert (await request(app, "GET", "/metrics")).status == 404
        assert (await request(app, "GET", "/health/live")).status == 404


async def test_a_mounted_apps_probes_are_no_requests_of_the_outer_one() -> None:
    """Health and metrics of an observed app that is mounted leave nothing in either's metrics."""
    inner, outer = FastAPI(), FastAPI()
    outer.mount("/api", inner)
    with observed(inner), observed(outer):
        for path in ("/api/health/live", "/api/health/ready", "/api/metrics"):
            assert (await request(outer, "GET", path)).status == 200
        metrics = await scrape(outer)
        assert metrics.of("requests_total") == {}
        assert metrics.value("active_requests") == 0


async def test_a_500_that_no_handler_made_has_its_id() -> None:
    """Where an app raises before it answers, the 500 carries the id, is counted and raised once."""

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("on purpose")

    app = Starlette(routes=[Mount("/raw", app=broken)])
    with observed(app):
        app.build_middleware_stack()
        stack = app.build_middleware_stack()
        stack.app = broken  # type: ignore[attr-defined]  # no ServerErrorMiddleware around it
        answer = await request(stack, "GET", "/raw/x")
        assert answer.status == 500
        assert len(answer.header("X-Request-ID")) == 1
        assert isinstance(answer.error, RuntimeError)
