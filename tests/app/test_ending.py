"""What was logged and traced before a process ends is neither lost nor waited for too long."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demo.databases import free_port
from tests.servers import SERVERS, Running, running
from tests.services import Receiver, otlp_grpc_receiver
from tests.waiting import eventually

APP = "tests.app.ending_app"
PLACES = ("import", "factory", "lifespan")
ON_ASYNCIO = [name for name in SERVERS if name != "hypercorn-trio"]


@contextmanager
def ending(
    server: str, where: str, endpoint: str, *arguments: str, **more: str
) -> Iterator[Running]:
    """Run the app, sending to ``endpoint`` only what is flushed."""
    name = "make" if where == "factory" else "app"
    with running(
        server,
        f"{APP}:{name}",
        *arguments,
        factory=where == "factory",
        environment={
            "WHERE": where,
            "SERVICE_NAME": "ending",
            "APM_ENABLED": "true",
            "OTLP_ENDPOINT": endpoint,
            "OTEL_TRACES_SAMPLER": "always_on",
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            **more,
        },
    ) as run:
        yield run


def ended(server: str, where: str, otlp: Receiver, *arguments: str) -> None:
    """Serve three requests, end the server by SIGTERM, and look at what is left of them."""
    patient = {"ETTER_OBS_SHUTDOWN_DEADLINE": "20"}  # of a busy machine no loss is made
    with ending(server, where, otlp.endpoint, *arguments, **patient) as run:
        for _ in range(3):
            assert run.get("/work").status_code == 200
        run.end()
        messages = [line["message"] for line in run.lines]
        shown = f"{server}, set up in {where}:\n{run.said()}"
        assert messages.count("working") == 3, shown
        if "off" not in arguments:
            assert "teardown" in messages, shown
    spans = [span for span in otlp.spans if span.name == "GET /work"]
    assert len(spans) == 3, shown
    assert {span.resource["service.name"] for span in spans} == {"ending"}


@pytest.mark.parametrize("server", ON_ASYNCIO)
def test_nothing_is_lost_when_a_server_is_ended(server: str) -> None:
    """At SIGTERM every line and span arrives, wherever the app is set up."""
    for where in PLACES:
        if (server, where) == ("gunicorn-preload", "factory"):
            continue  # gunicorn calls a factory in its workers only, as at import
        with otlp_grpc_receiver() as receiver:
            ended(server, where, receiver)


@pytest.mark.parametrize("where", ["import", "factory"])
def test_nothing_is_lost_without_a_lifespan(where: str) -> None:
    """Uvicorn --lifespan off: the end of the process flushes."""
    with otlp_grpc_receiver() as receiver:
        ended("uvicorn", where, receiver, "--lifespan", "off")


@pytest.mark.parametrize("where", PLACES)
def test_a_teardown_that_fails_keeps_its_traceback(where: str) -> None:
    """The server's log of it appears as a JSON line."""
    with (
        otlp_grpc_receiver() as receiver,
        ending("uvicorn", where, receiver.endpoint, FAILS="1") as run,
    ):
        run.get("/work")
        run.end()
        assert [line for line in run.lines if "the teardown failed on purpose" in str(line)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_collector_that_is_away_holds_up_no_end(number: signal.Signals) -> None:
    """With no collector a server ends as fast as without tracing, and in the same way.

    Its exit code is that of the signal. A second suffices: nobody waits for what is known to be
    down, and the deadline is three.
    """
    with ending("uvicorn", "import", f"127.0.0.1:{free_port()}") as run:
        for _ in range(3):
            run.get("/work")
        eventually(
            lambda: [line for line in run.lines if "cannot be sent" in line["message"]],
            deadline_s=30,
            tell=run.said,
        )
        started = time.monotonic()
        code = run.end(number)
        took = time.monotonic() - started
    assert took < 2.5
    assert "Traceback" not in run.said()
    assert "Logging error" not in run.said()
    assert code == (-signal.SIGTERM if number is signal.SIGTERM else code)
