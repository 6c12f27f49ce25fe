"""Runs each subject in a process of its own, and measures what all threads of it do.

A round ends when the subject has finished what it put off: the queued counts are counted, the
lines are written, the spans and lines are sent and acknowledged. The CPU time of the process, from
the first request to that moment, is what the requests cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from benchmarks.apps import HEADERS, Shape, make_app, paths
from benchmarks.instructions import Instructions
from benchmarks.sinks import forgetful_servers
from benchmarks.subjects import SUBJECTS, Finish, Sinks

_CALL: Final = "call"
_START: Final = "start"
_FINISH: Final = "finish"
_KEEP_ALIVE_S: Final = 3600


class Cost(NamedTuple):
    """What a request costs, over all threads of the process.

    ``wall`` and ``cpu`` are in seconds; ``instructions`` is 0 where the machine cannot count them.
    """

    wall: float
    cpu: float
    instructions: float


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None:
    pass


async def _send_in_turns(message: Any) -> None:
    await asyncio.sleep(0)  # lets the other requests run, as a server does that waits for a socket


async def call_app(app: Any, targets: Sequence[str], at_once: int) -> None:
    """Call the app once for each path, as a server does: each request in a task of its own."""
    waiting = iter(targets)
    send = _send if at_once == 1 else _send_in_turns

    async def serve() -> None:
        for path in waiting:
            scope = {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": "1.1",
                "server": ("127.0.0.1", 8000),
                "client": ("127.0.0.1", 50000),
                "scheme": "http",
                "method": "GET",
                "root_path": "",
                "path": path,
                "raw_path": path.encode(),
                "query_string": b"",
                "headers": HEADERS,
                "state": {},
            }
            await asyncio.create_task(app(scope, _receive, send))

    await asyncio.gather(*(serve() for _ in range(at_once)))


class _Clock:
    """Measures from its creation until the subject has finished."""

    def __init__(self, finish: Finish, instructions: Instructions) -> None:
        self._finish, self._instructions = finish, instructions
        self._start = self._read()

    async def stop(self, count: int) -> Cost:
        """Return the cost of each of ``count`` requests."""
        await asyncio.to_thread(self._finish)
        return Cost(*((b - a) / count for a, b in zip(self._start, self._read(), strict=True)))

    def _read(self) -> Cost:
        return Cost(time.perf_counter(), time.process_time(), self._instructions.read() or 0)


async def _serve(name: str, shape: Shape, sinks: Sinks, pipe: Connection) -> None:
    """Answer the commands of the other end until it sends None."""
    import uvicorn

    instructions = Instructions()  # before any thread starts
    app = make_app(shape)
    finish = SUBJECTS[name].set_up(app, sinks)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    pipe.send(server.servers[0].sockets[0].getsockname()[1])
    clock = _Clock(finish, instructions)
    while (asked := await asyncio.to_thread(pipe.recv)) is not None:
        command, count, at_once = asked
        if command == _START:
            clock = _Clock(finish, instructions)
            pipe.send(None)
        elif command == _FINISH:
            pipe.send(await clock.stop(count))
        else:
            targets = paths(shape, count)
            clock = _Clock(finish, instructions)
            await call_app(app, targets, at_once)
            pipe.send(await clock.stop(count))
    server.should_exit = True
    await serving


def _run(name: str, shape: Shape, sinks: Sinks, pipe: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    asyncio.run(_serve(name, shape, sinks, pipe))


class Runner:
    """The process of one subject, seen from here.

    Args:
        name: The subject's name.
        shape: The app's routes.
        sinks: Where its telemetry goes.
    """

    def __init__(self, name: str, shape: Shape, sinks: Sinks) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_run, args=(name, shape, sinks, theirs), daemon=True)
        self._process.start()
        self.port: int = self._pipe.recv()

    @property
    def pid(self) -> int:
        """The id of the process."""
        pid = self._process.pid
        assert pid is not None
        return pid

    def call(self, count: int, at_once: int = 1) -> Cost:
        """Make ``count`` requests at the ASGI call, ``at_once`` of them at a time."""
        cost: Cost = self._ask(_CALL, count, at_once)
        return cost

    def start(self) -> None:
        """Start the clock for requests that arrive over HTTP."""
        self._ask(_START, 0, 0)

    def finish(self, count: int) -> Cost:
        """Return the cost of the ``count`` requests since ``start``."""
        cost: Cost = self._ask(_FINISH, count, 0)
        return cost

    def _ask(self, command: str, count: int, at_once: int) -> Any:
        self._pipe.send((command, count, at_once))
        return self._pipe.recv()

    def close(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join(10)
        self._process.terminate()


@contextlib.contextmanager
def runners(names: Sequence[str], shape: Shape) -> Iterator[dict[str, Runner]]:
    """Run a process for every subject, with receivers for their telemetry."""
    with forgetful_servers() as sinks:
        made: dict[str, Runner] = {}
        try:
            for name in names:
                made[name] = Runner(name, shape, sinks)
            yield made
        finally:
            for runner in made.values():
                runner.close()
