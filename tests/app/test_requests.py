from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import PlainTextResponse, Response

from etter_obs import Observability
from etter_obs._internal.context import current_request
from tests.app.apps import make_app
from tests.app.asgi import observed, request, scope, scrape

UNMATCHED = "__unmatched__"


@pytest.fixture
def app() -> FastAPI:
    """A fresh app."""
    return make_app()


@pytest.fixture
def observability(app: FastAPI, request: pytest.FixtureRequest) -> Iterator[Observability]:
    """The app's handle; a parameter changes settings."""
    with observed(app, **getattr(request, "param", {})) as handle:
        yield handle


pytestmark = pytest.mark.usefixtures("observability")


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "status"),
    [
        ("GET", "/v1/outer/a/inner/3", "/v1/outer/{group}/inner/{item}", 200),
        ("POST", "/v1/outer/b/inner/4", "/v1/outer/{group}/inner/{item}", 200),
        ("GET", "/v1/outer/a/inner/x", "/v1/outer/{group}/inner/{item}", 422),
        ("DELETE", "/v1/outer/a/inner/3", "/v1/outer/{group}/inner/{item}", 405),
        ("OPTIONS", "/fails", "/fails", 405),
        ("HEAD", "/plain/1", "/plain/{x}", 200),
        ("GET", "/plain/1", "/plain/{x}", 200),
        ("GET", "/files/a/b/c", "/files/{path:path}", 200),
        ("GET", "/fixed/things/7", "/fixed/things/{thing}", 200),
        ("GET", "/tenants/acme/things/7", "/tenants/{tenant}/things/{thing}", 200),
        ("GET", "/opaque/whatever", "/opaque/{path}", 200),
        ("GET", "/missing/7", "/missing/{item}", 404),
        ("GET", "/unavailable", "/unavailable", 503),
        ("GET", "/docs", "/docs", 200),
        ("GET", "/docs/", UNMATCHED, 307),
        ("GET", "/nowhere", UNMATCHED, 404),
        ("GET", "/fixed/nowhere", UNMATCHED, 404),
        ("GET", "/tenants/acme/nowhere", UNMATCHED, 404),
    ],
)
async def test_a_request_is_counted_once_under_its_route(
    app: FastAPI, method: str, path: str, endpoint: str, status: int
) -> None:
    """Exactly one series grows by one, and it has the method, the whole template and the status."""
    answer = await request(app, method, path)
    metrics = await scrape(app)
    assert answer.status == status
    assert metrics.of("requests_total") == {(method, endpoint, str(status)): 1.0}
    class_ = f"{status // 100}xx"
    assert metrics.of("request_duration_seconds_count") == {(method, endpoint, class_): 1.0}


async def test_a_method_that_is_none_of_https_is_counted_as_other(app: FastAPI) -> None:
    """Invented methods share one series and leave no memory behind for each."""
    for number in range(5):
        await request(app, f"INVENTED{number}", "/fails")
    metrics = await scrape(app)
    assert metrics.of("requests_total") == {("_OTHER", "/fails", "405"): 5.0}


async def test_a_root_path_is_no_part_of_the_route(app: FastAPI) -> None:
    """Behind a proxy that strips a prefix, templates are the same."""
    await request(app, "GET", "/api/fixed/things/1", root_path="/api")
    await request(app, "GET", "/v1/outer/a/inner/3", root_path="/api")
    metrics = await scrape(app)
    assert set(metrics.of("requests_total")) == {
        ("GET", "/fixed/things/{thing}", "200"),
        ("GET", "/v1/outer/{group}/inner/{item}", "200"),
    }


async def test_what_a_middleware_answers_is_counted_under_the_route_it_hid(app: FastAPI) -> None:
    """A middleware that breaks every request burns the routes' budget."""

    class Breaks:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"].startswith("/fixed"):
                await PlainTextResponse("no", status_code=401)(scope, receive, send)
            elif scope["type"] == "http" and scope["path"].startswith("/v1"):
                raise RuntimeError("broken middleware")
            else:
                await self.app(scope, receive, send)

    app.add_middleware(Breaks)
    await request(app, "GET", "/fixed/things/1")
    await request(app, "GET", "/v1/outer/a/inner/3")
    metrics = await scrape(app)
    assert metrics.of("requests_total") == {
        ("GET", "/fixed/things/{thing}", "401"): 1.0,
        ("GET", "/v1/outer/{group}/inner/{item}", "500"): 1.0,
    }


async def test_an_unhandled_exception_is_a_500_with_ids_and_is_counted(app: FastAPI) -> None:
    """ServerErrorMiddleware's answer carries the id; the exception goes on to the server."""
    answer = await request(app, "GET", "/fails", [(b"x-request-id", b"from-outside")])
    metrics = await scrape(app)
    assert isinstance(answer.error, RuntimeError)
    assert answer.status == 500
    assert answer.header("X-Request-ID") == ["from-outside"]
    assert metrics.value("requests_total", "GET", "/fails", "500") == 1
    assert metrics.of("exceptions_total") == {("/fails", "RuntimeError"): 1.0}


async def test_an_exception_after_the_response_started_is_a_500(app: FastAPI) -> None:
    """The status that was sent is not what the client got: half a response is an error."""
    answer = await request(app, "GET", "/stream?fail_at=2")
    metrics = await scrape(app)
    assert answer.status == 200
    assert metrics.of("requests_total") == {("GET", "/stream", "500"): 1.0}
    assert metrics.of("exceptions_total")[("/stream", "RuntimeError")] == 1


async def test_an_http_exception_is_an_answer_and_no_unhandled_exception(app: FastAPI) -> None:
    """A 503 that the app chose counts as a 503; exceptions_total stays at 0."""
    await request(app, "GET", "/unavailable")
    metrics = await scrape(app)
    assert metrics.of("requests_total") == {("GET", "/unavailable", "503"): 1.0}
    assert metrics.of("exceptions_total") == {}


async def test_the_time_to_the_first_byte_is_not_the_time_to_the_last(app: FastAPI) -> None:
    """A response of five parts, 20 ms apart: the first byte is early, the duration is all of it."""
    await request(app, "GET", "/stream?pause=0.02")
    metrics = await scrape(app)
    first = metrics.value("request_first_byte_seconds_sum", "GET", "/stream")
    last = metrics.value("request_duration_seconds_sum", "GET", "/stream", "2xx")
    assert last >= 0.1
    assert first <= last - 0.08
    assert metrics.value("response_size_bytes_sum", "GET", "/stream") == 20


async def test_a_background_task_is_not_part_of_the_response(app: FastAPI) -> None:
    """A request is counted, with its own time, while its background task still runs."""
    app.state.go_on.clear()
    running = asyncio.create_task(request(app, "GET", "/background"))
    metrics = await scrape(app)
    while not metrics.of("requests_total"):
        metrics = await scrape(app)
    assert not running.done()
    assert metrics.value("active_requests") == 0
    assert metrics.of("requests_total") == {("GET", "/background", "200"): 1.0}
    app.state.go_on.set()
    await running
    assert (await scrape(app)).of("requests_total") == metrics.of("requests_total")


async def test_a_background_task_that_fails_leaves_the_response_as_it_was(app: FastAPI) -> None:
    """The client got its 200: that is counted, and the exception beside it."""
    answer = await request(app, "GET", "/background?fail=true")
    metrics = await scrape(app)
    assert answer.error is not None
    assert metrics.of("requests_total") == {("GET", "/background", "200"): 1.0}
    assert metrics.of("exceptions_total") == {("/background", "RuntimeError"): 1.0}


async def _at_once() -> None:
    pass


async def _soon() -> None:
    await asyncio.sleep(0.03)


@pytest.mark.parametrize(
    ("path", "leaves", "refuses_at"),
    [
        ("/waits", _soon, None),
        ("/stream?pause=0.02", _soon, None),
        ("/stream", None, 1),
        ("/stream", None, 3),
        ("/files/a", None, 1),
        ("/files/a", None, 2),
    ],
)
async def test_a_client_that_leaves_first_is_a_499(
    app: FastAPI,
    path: str,
    leaves: Callable[[], Awaitable[None]] | None,
    refuses_at: int | None,
) -> None:
    """Whether receive or send reports it, before or after the start: 499, a class of its own."""
    await request(app, "GET", path, leaves=leaves, refuses_at=refuses_at)
    metrics = await scrape(app)
    ((_, _, status),) = metrics.of("requests_total")
    ((_, _, class_),) = metrics.of("request_duration_seconds_count")
    assert (status, class_) == ("499", "499")
    assert metrics.of("exceptions_total") == {}
    assert metrics.value("active_requests") == 0


async def test_requests_in_flight_are_counted_while_they_last(app: FastAPI) -> None:
    """The gauge shows three waiting requests, and 0 when they are over."""
    leave = asyncio.Event()

    async def told() -> None:
        await leave.wait()

    running = [asyncio.create_task(request(app, "GET", "/waits", leaves=told)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await scrape(app)).value("active_requests") == 3
    leave.set()
    await asyncio.gather(*running)
    assert (await scrape(app)).value("active_requests") == 0


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (b"abc-123_X.y:z=", True),
        (b"a" * 64, True),
        (b"a" * 65, False),
        (b"", False),
        (b"with space", False),
        (b"new\nline", False),
        (b"\xff\xfe", False),
        (b'"><script>', False),
        (b"0192f0c1-7c39-7d2b-8a44-5e0b1f0c9d11", True),
        (b"01JDH5M9GZ6Q4R8T2V3W7X9Y0Z", True),
        (b"4111111111111111", False),
        (b"token=correct-horse-battery", False),
        (b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.", False),
    ],
)
async def test_a_request_id_from_outside_is_taken_only_where_it_is_safe(
    app: FastAPI, given: bytes, taken: bool
) -> None:
    """A short harmless id comes back as it is; any other, and a secret, gives way to a new one."""
    answer = await request(app, "GET", "/files/a", [(b"x-request-id", given)])
    (returned,) = answer.header("X-Request-ID")
    assert (returned.encode() == given) is taken
    assert taken or re.fullmatch(r"[0-9a-f]{32}", returned)


async def test_no_two_requests_have_one_id(app: FastAPI) -> None:
    """Ids that are made are all different."""
    answers = [await request(app, "GET", "/files/a") for _ in range(700)]
    assert len({answer.header("X-Request-ID")[0] for answer in answers}) == 700


async def test_responses_carry_one_id_and_one_time(app: FastAPI) -> None:
    """The app's own X-Request-ID gives way, and a response object sent twice collects nothing."""
    for path in ("/own-id", "/cached", "/cached"):
        answer = await request(app, "GET", path, [(b"x-request-id", b"outer")])
        assert answer.header("X-Request-ID") == ["outer"]
        (time,) = answer.header("X-Response-Time")
        assert re.fullmatch(r"\d+\.\d{3}s", time)


@pytest.mark.parametrize(
    ("observability", "carried"),
    [
        ({"response_headers": ("X-Request-ID",)}, {"x-request-id"}),
        ({"response_headers": ("X-Response-Time",)}, {"x-response-time"}),
        ({"response_headers": ()}, set()),
    ],
    indirect=["observability"],
)
async def test_responses_carry_only_the_headers_that_are_asked_for(
    app: FastAPI, carried: set[str]
) -> None:
    """HTTP and WebSocket have those of the setting; what is not ours to set stays the app's."""
    [start, _] = (await request(app, "GET", "/files/a")).messages
    [accepted, *_] = await conversation(app)
    for message, possible in ((start, carried), (accepted, carried & {"x-request-id"})):
        named = {name.decode() for name, _ in message.get("headers", ())}
        assert named & {"x-request-id", "x-response-time"} == possible
    own = await request(app, "GET", "/own-id")
    assert (own.header("X-Request-ID") == ["the app's own"]) is ("x-request-id" not in carried)


@pytest.mark.parametrize("path", ["/metrics", "/health/live", "/health/ready", "/health/any"])
async def test_probes_are_not_counted(app: FastAPI, path: str) -> None:
    """Probes leave no trace in the request metrics; those that the app answers have their id."""
    answer = await request(app, "GET", path)
    assert len(answer.header("X-Request-ID")) == (path == "/health/any")
    assert (await scrape(app)).of("requests_total") == {}


async def test_every_route_has_its_series_before_its_first_request(app: FastAPI) -> None:
    """Success and 500 of each route are there as 0, for increase() needs the 0; so is its time."""
    await request(app, "GET", "/health/live")
    metrics = await scrape(app)
    for method, endpoint in [
        ("GET", "/v1/outer/{group}/inner/{item}"),
        ("POST", "/v1/outer/{group}/inner/{item}"),
        ("GET", "/fixed/things/{thing}"),
    ]:
        for status in ("200", "500"):
            assert metrics.samples[("etter_requests_total", (method, endpoint, status))] == 0
        timed = ("etter_request_duration_seconds_count", (method, endpoint, "2xx"))
        assert metrics.samples[timed] == 0


async def test_track_request_metrics_names_a_request_and_counts_it_once(app: FastAPI) -> None:
    """Inside an observed request the decorator only names the endpoint."""
    await request(app, "GET", "/named")
    assert (await scrape(app)).of("requests_total") == {("GET", "a-name", "200"): 1.0}


async def test_the_size_of_a_body_is_counted_as_it_arrives(app: FastAPI) -> None:
    """A body of 1000 bytes that the app reads adds 1000 to the sum."""
    await request(app, "POST", "/body", body=b"x" * 1000)
    metrics = await scrape(app)
    assert metrics.value("request_size_bytes_sum", "POST", "/body") == 1000


async def test_a_request_context_is_there_inside_and_finished_outside(app: FastAPI) -> None:
    """The app sees its request's ids; afterwards the context says that it is over."""
    seen = []

    @app.get("/context")
    async def context() -> None:
        current = current_request.get()
        assert current is not None
        seen.append((current, current.finished))

    answer = await request(app, "GET", "/context")
    ((found, was_finished),) = seen
    assert not was_finished
    assert found.finished
    assert answer.header("X-Request-ID") == [found.request_id]
    assert found.endpoint is None or found.endpoint == "/context"


async def conversation(app: FastAPI) -> list[dict[str, Any]]:
    """Send two messages over a WebSocket; return what the app sent."""
    incoming = iter(
        [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": "hello"},
            {"type": "websocket.receive", "text": "end"},
        ]
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message)

    connection = scope("GET", "/socket/lobby") | {"type": "websocket", "subprotocols": []}
    await asyncio.create_task(app(connection, receive, send))
    return sent


async def test_a_websocket_has_metrics_of_its_own(app: FastAPI) -> None:
    """Messages both ways, the connection's time, and nothing in the request metrics."""
    sent = await conversation(app)
    metrics = await scrape(app)
    assert metrics.of("websocket_messages_total") == {("/socket/{room}",): 3.0}
    assert metrics.value("websocket_duration_seconds_count", "/socket/{room}") == 1
    assert metrics.value("websockets_active") == 0
    assert metrics.of("requests_total") == {}
    assert any(name == b"x-request-id" for name, _ in sent[0]["headers"])


async def test_an_app_in_an_app_is_counted_once(app: FastAPI) -> None:
    """A mounted app that is observed by itself leaves the counting to the outer one."""
    outer = FastAPI()
    outer.mount("/sub", app)
    with observed(outer):
        await request(outer, "GET", "/sub/files/a")
        assert (await scrape(outer)).of("requests_total") == {
            ("GET", "/sub/files/{path:path}", "200"): 1.0
        }
        assert (await scrape(app)).of("requests_total") == {}


@pytest.mark.parametrize("prefix", ["", "/static"])
async def test_what_static_files_do_not_have_went_to_no_route(prefix: str, tmp_path: Path) -> None:
    """Scanners that try an app with StaticFiles are in no SLI; requests for its files are."""
    (tmp_path / "logo.svg").write_text("<svg/>")
    app = FastAPI()
    app.mount(prefix, StaticFiles(directory=tmp_path))
    with observed(app):
        for method, name, status in [
            ("GET", "logo.svg", 200),
            ("HEAD", "logo.svg", 200),
            ("GET", ".env", 404),
            ("GET", "../secrets", 404),
            ("POST", "wp-login.php", 405),
        ]:
            assert (await request(app, method, f"{prefix}/{name}")).status == status
        assert (await scrape(app)).of("requests_total") == {
            ("GET", f"{prefix}/{{path}}", "200"): 1,
            ("HEAD", f"{prefix}/{{path}}", "200"): 1,
            ("GET", "__unmatched__", "404"): 2,
            ("POST", "__unmatched__", "405"): 1,
        }


async def test_an_opaque_application_counts_what_it_refuses_except_at_the_root() -> None:
    """Below a path of its own a 404 is the application's; at the root it may be a scanner's."""

    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await Response(status_code=404)(scope, receive, send)

    app = FastAPI()
    app.mount("/legacy", refuses)
    app.mount("/", refuses)
    with observed(app):
        for path in ("/legacy/orders/7", "/wp-admin"):
            assert (await request(app, "GET", path)).status == 404
        assert (await scrape(app)).of("requests_total") == {
            ("GET", "/legacy/{path}", "404"): 1,
            ("GET", "__unmatched__", "404"): 1,
        }
