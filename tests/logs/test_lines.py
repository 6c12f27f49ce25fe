"""The content of a line, whatever its source."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import decimal
import logging
import sys
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from etter_obs._internal.context import RequestContext, current_request
from etter_obs._internal.conventions import log_fields
from etter_obs._internal.logs import get_logger
from etter_obs._internal.logs.stdlib import ACCESS_LOGGERS
from etter_obs._internal.settings import Settings
from tests.logs.pipelines import Logged

EVERY_LINE = {
    log_fields.TIMESTAMP,
    log_fields.LEVEL,
    log_fields.MESSAGE,
    log_fields.LOGGER,
    log_fields.MODULE,
    log_fields.FUNCTION,
    log_fields.LINE,
    log_fields.REQUEST_ID,
    log_fields.TRACE_ID,
    log_fields.SPAN_ID,
    log_fields.TRACE_SAMPLED,
    log_fields.SERVICE,
    log_fields.ENVIRONMENT,
}
module_logger = get_logger("tests.module")


def a_request(sampled: bool = False) -> RequestContext:
    """Return the context of a request with fixed ids."""
    return RequestContext(
        "req-1", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled, "GET", "/x"
    )


def test_a_structlog_line_says_who_when_and_where(logged: Logged) -> None:
    """A line from get_logger carries every field of the contract, its own fields, and its place."""
    before = dt.datetime.now(dt.UTC)
    module_logger.info("order %s placed", "A-7", amount=3)
    expected_line = sys._getframe().f_lineno - 1

    line = logged.line()
    assert line.keys() >= EVERY_LINE
    assert line["message"] == "order A-7 placed"
    assert line["amount"] == 3
    assert (line["level"], line["logger"]) == ("INFO", "tests.module")
    assert (line["service"], line["environment"]) == ("shop", "test")
    assert line["module"] == "test_lines"
    assert line["function"] == "test_a_structlog_line_says_who_when_and_where"
    assert line["line"] == expected_line
    assert line["timestamp"].endswith("Z")
    assert before <= dt.datetime.fromisoformat(line["timestamp"]) <= dt.datetime.now(dt.UTC)


def test_a_stdlib_line_says_the_same(logged: Logged) -> None:
    """A line from logging.getLogger has the same fields, its extra, and its own place."""
    logging.getLogger("tests.stdlib").warning("disk at %d%%", 91, extra={"mount": "/data"})
    expected_line = sys._getframe().f_lineno - 1

    line = logged.line()
    assert line.keys() >= EVERY_LINE
    assert line["message"] == "disk at 91%"
    assert line["mount"] == "/data"
    assert (line["level"], line["logger"], line["line"]) == (
        "WARNING",
        "tests.stdlib",
        expected_line,
    )


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn.error", "hypercorn.error", "_granian"])
def test_a_servers_lines_come_too(
    logged: Logged, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server's logger with its own handler and no propagation is in the stream alone."""
    server = logging.getLogger(name)
    handler = logging.StreamHandler(sys.stderr)
    server.addHandler(handler)
    level, propagate = server.level, server.propagate
    server.setLevel("INFO")
    server.propagate = False
    try:
        server.info("Application startup complete.", extra={"color_message": "\x1b[1mApp\x1b[0m"})
    finally:
        server.removeHandler(handler)
        server.propagate = propagate
        server.setLevel(level)

    line = logged.line()
    assert (line["message"], line["logger"]) == ("Application startup complete.", name)
    assert "color_message" not in line
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", sorted(ACCESS_LOGGERS))
def test_a_servers_access_log_is_silenced(logged: Logged, name: str) -> None:
    """A server's access line does not come: ours takes its place."""
    logging.getLogger(name).error('127.0.0.1 - "GET / HTTP/1.1" 200')
    logging.getLogger("tests").info("after")
    assert [line["message"] for line in logged.lines()] == ["after"]


def test_lines_carry_the_request_they_belong_to(logged: Logged) -> None:
    """Inside a request both kinds of lines carry its ids, method and path; outside, nulls."""
    token = current_request.set(a_request())
    module_logger.info("inside")
    logging.getLogger("tests").info("inside")
    current_request.reset(token)
    module_logger.info("outside")

    *inside, outside = logged.lines()
    for line in inside:
        assert line["request_id"] == "req-1"
        assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        assert line["span_id"] == "b7ad6b7169203331"
        assert line["trace_sampled"] is False
        assert (line["method"], line["path"]) == ("GET", "/x")
    assert outside["request_id"] is outside["trace_id"] is outside["span_id"] is None
    assert "path" not in outside


def test_lines_carry_the_open_span(logged: Logged) -> None:
    """Under a span of OpenTelemetry, in a sampled request or outside one, a line has its ids."""
    tracer = TracerProvider().get_tracer("tests")
    with tracer.start_as_current_span("work") as span:
        module_logger.info("outside a request")
        token = current_request.set(a_request(sampled=True))
        module_logger.info("in a request")
        current_request.reset(token)
    context = span.get_span_context()
    for line in logged.lines():
        assert line["trace_id"] == f"{context.trace_id:032x}"
        assert line["span_id"] == f"{context.span_id:016x}"
        assert line["trace_sampled"] is True
    assert logged.lines()[1]["request_id"] == "req-1"


def test_bound_fields_are_on_every_line(logged: Logged) -> None:
    """Fields of bind() and of structlog's contextvars are on lines of both kinds."""
    structlog.contextvars.bind_contextvars(tenant="acme")
    try:
        module_logger.bind(job="nightly").info("bound")
        logging.getLogger("tests").info("stdlib")
    finally:
        structlog.contextvars.unbind_contextvars("tenant")
    structured, stdlib = logged.lines()
    assert (structured["tenant"], structured["job"]) == ("acme", "nightly")
    assert stdlib["tenant"] == "acme"


async def test_async_methods_name_the_caller(logged: Logged) -> None:
    """A line of `await log.ainfo()` runs on another thread and names the line that awaited it."""
    token = current_request.set(a_request())
    await module_logger.ainfo("async")
    current_request.reset(token)
    line = logged.line()
    assert line["function"] == "test_async_methods_name_the_caller"
    assert line["request_id"] == "req-1"


async def test_concurrent_requests_keep_their_ids_apart(logged: Logged) -> None:
    """Lines of requests that run at the same time carry each its own request id."""

    async def serve(number: int) -> None:
        current_request.set(RequestContext(f"req-{number}", "a" * 32, "b" * 16, False, "GET", "/"))
        for _ in range(5):
            await asyncio.sleep(0)
            module_logger.info("step", number=number)
            await asyncio.to_thread(
                logging.getLogger("tests").info, "step", extra={"number": number}
            )

    await asyncio.gather(*(serve(number) for number in range(20)))
    lines = logged.lines()
    assert len(lines) == 200
    assert all(line["request_id"] == f"req-{line['number']}" for line in lines)


def test_an_exception_brings_its_stack(logged: Logged) -> None:
    """exception(), exc_info and a passed exception all give the whole traceback with its cause."""
    try:
        try:
            int("seven")
        except ValueError as error:
            raise RuntimeError("no number") from error
    except RuntimeError as raised:
        module_logger.exception("failed")
        logging.getLogger("tests").error("failed", exc_info=True)
        module_logger.error("failed", exc_info=raised)
    for line in logged.lines():
        assert line["level"] == "ERROR"
        assert line["exception"].startswith("Traceback (most recent call last)")
        assert 'int("seven")' in line["exception"]
        assert line["exception"].endswith("RuntimeError: no number")


def test_a_runaway_recursion_is_cut(logged: Logged) -> None:
    """The stack of a recursion that ran away fits a line, with what was raised at its end."""

    def forever() -> None:
        forever()

    try:
        forever()
    except RecursionError:
        module_logger.exception("deep")
    (raw,) = logged.raw()
    assert len(raw) <= Settings().log_max_bytes
    assert "RecursionError" in logged.line()["exception"]


def test_a_callers_field_cannot_pass_for_ours(logged: Logged) -> None:
    """A field named like one of ours keeps its value under another name, and ours is unchanged."""
    module_logger.info("real", level="FAKE", service="evil", timestamp="never", message="mine")
    line = logged.line()
    assert (line["level"], line["service"], line["message"]) == ("INFO", "shop", "real")
    assert (line["level_"], line["service_"], line["message_"]) == ("FAKE", "evil", "mine")


def test_the_access_line(logged: Logged) -> None:
    """The middleware's line has the request's fields; a 5xx is an error, all else is not."""
    fields: dict[str, Any] = {
        "request_id": "r",
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "trace_sampled": True,
        "method": "GET",
        "endpoint": "/items/{id}",
        "path": "/items/7",
        "status_code": 200,
        "duration_ms": 1.5,
        "client_ip": "192.0.2.7",
    }
    logged.pipeline.access(dict(fields))
    logged.pipeline.access({**fields, "status_code": 503})
    completed, failed = logged.lines()
    assert completed.keys() >= EVERY_LINE
    assert {key: completed[key] for key in fields} == fields
    assert (completed["level"], completed["message"]) == ("INFO", "Request completed")
    assert (failed["level"], failed["message"]) == ("ERROR", "Request failed")
    assert completed["function"] == "test_the_access_line"


def test_the_level_decides(tmp_path: Path) -> None:
    """LOG_LEVEL holds for structlog, logging and the access log alike; failures still come."""
    with Logged(tmp_path / "log", Settings(log_level="WARNING")) as logged:
        module_logger.info("no")
        logging.getLogger("tests").info("no")
        logging.getLogger("uvicorn.error").info("no")
        logged.pipeline.access({"status_code": 200})
        module_logger.warning("yes")
        logging.getLogger("tests").warning("yes")
        logged.pipeline.access({"status_code": 500})
        assert [line["message"] for line in logged.lines()] == ["yes", "yes", "Request failed"]
    with Logged(tmp_path / "debug", Settings(log_level="DEBUG")) as logged:
        module_logger.debug("yes")  # the same logger, cached by structlog at another level
        assert logged.line()["level"] == "DEBUG"


@dataclasses.dataclass
class Order:
    number: int
    password: str


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_values_of_every_kind_are_shown(logged: Logged) -> None:
    """What JSON has no type for is spelled out, and nothing keeps the line from coming."""
    endless: list[Any] = []
    endless.append(endless)
    module_logger.info(
        "values",
        uuid=uuid.UUID(int=1),
        when=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        price=decimal.Decimal("1.10"),
        path=Path("/etc"),
        raw=b"\xff\x00",
        order=Order(7, "hunter2"),
        tags={"b"},
        huge=10**40,
        nan=float("nan"),
        endless=endless,
        hostile=Hostile(),
        surrogate="\udc80",
        keys={1: {None: "x"}},
        error=ValueError("bad"),
        many=list(range(1000)),
    )
    line = logged.line()
    assert line["uuid"] == "00000000-0000-0000-0000-000000000001"
    assert line["when"] == "2026-01-02T00:00:00+00:00"
    assert (line["price"], line["path"], line["raw"]) == ("1.10", "/etc", "\\xff\x00")
    assert line["order"] == {"number": 7, "password": "[redacted]"}
    assert (line["tags"], line["huge"], line["nan"]) == (["b"], hex(10**40), None)
    assert line["hostile"] == "<Hostile without a readable value>"
    assert line["surrogate"] == "\\udc80"
    assert line["keys"] == {"1": {"None": "x"}}
    assert line["error"] == "ValueError('bad')"
    assert len(line["many"]) == 129


def test_a_value_is_taken_when_it_is_logged(logged: Logged) -> None:
    """A container that changes after the call is shown as it was."""
    basket = {"items": [1]}
    module_logger.info("basket", basket=basket)
    basket["items"].append(2)
    assert logged.line()["basket"] == {"items": [1]}


@pytest.mark.parametrize("size", [512, 4096])
def test_a_long_line_is_cut_and_says_so(tmp_path: Path, size: int) -> None:
    """No line is longer than ETTER_OBS_LOG_MAX_BYTES; a cut one is marked and keeps its ids."""
    with Logged(tmp_path / "log", Settings(log_max_bytes=size)) as logged:
        token = current_request.set(a_request())
        module_logger.info("x" * 100_000)
        module_logger.info("y", deep={"a": ["z" * 50_000] * 50}, short="kept")
        module_logger.info("\x01" * 9_000)
        module_logger.info("many", **{f"field_{number}": number for number in range(2_000)})
        module_logger.info("short")
        current_request.reset(token)
        lines = logged.lines()
        assert all(len(raw) <= size for raw in logged.raw())
        assert [line.get("truncated") for line in lines] == [True] * 4 + [None]
        request = a_request()
        for name in ("request_id", "trace_id", "span_id"):
            assert all(line[name] == getattr(request, name) for line in lines), name
        assert lines[1]["short"] == "kept"


def test_control_characters_cannot_forge_a_line(logged: Logged) -> None:
    """Newlines, escapes, Unicode line ends and direction marks stay within the line, escaped."""
    hostile = 'x\r\n{"level":"INFO"}\x1b[31m\x7f\x85\u2028\u2029\u202e'
    module_logger.info(hostile, field=hostile)
    (raw,) = logged.raw()
    text = raw.decode("utf-8")
    assert text.isprintable() or text[:-1].isprintable()
    assert len(text.splitlines()) == 1
    assert logged.line()["message"] == logged.line()["field"] == hostile


def test_a_wrong_format_is_no_error(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments that do not fit a stdlib format give the format itself, and raise nothing."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own would raise
    logging.getLogger("tests").info("%d items", "many")
    assert logged.line()["message"] == "%d items"


def test_lines_are_counted(logged: Logged) -> None:
    """etter_log_lines_total counts what was written, by level."""
    module_logger.info("a")
    module_logger.info("b")
    module_logger.error("c")
    logged.lines()
    assert (logged.written("INFO"), logged.written("ERROR")) == (2, 1)


class Login(NamedTuple):
    user: str
    password: str


def test_the_fields_of_a_named_tuple_have_names(logged: Logged) -> None:
    """A named tuple is shown as an object, so that the name of a secret hides it."""
    module_logger.info("named", login=Login("bob", "Hunter2Zq9"), total=4111111111111111.0)
    line = logged.line()
    assert line["login"] == {"user": "bob", "password": "[redacted]"}
    assert line["total"] == "[redacted]"
