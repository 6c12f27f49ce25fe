"""What observing a request costs: the bare app, the peers and this package, side by side.

    python -m benchmarks.overhead [--rounds 60] [--requests 200] [--only etter-10,assembly-10]

Every subject runs in a process of its own; all take turns, round by round, so that whatever else
the machine does hits all alike. Two measures: at the ASGI call (one request after the other, as a
server would make them), and behind uvicorn over one kept-alive connection. A figure is the lower
quartile over the rounds of the mean of a round, since other work on the machine only ever adds to
it; "added" is what a request costs more than with the bare app.
CPU time is the whole process's, the threads that write and export included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.sinks import forgetful_servers
from benchmarks.subjects import SUBJECTS, Sinks, make_app

PATH = "/api/companies/7"
HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json, text/plain, */*"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"referer", b"http://127.0.0.1:8000/"),
    (b"connection", b"keep-alive"),
    (b"cookie", b"theme=dark"),
]
BASELINE = "bare"
PAIRS = (
    ("etter-10", "assembly-10", 0.20),
    ("etter-metrics", "instrumentator", 0.25),
    ("etter-headers", "instrumentator", None),
    ("etter-100", "assembly-100", 0.50),
)
"""The compared subjects, and the target share of the other's added time, if any."""


class Round(NamedTuple):
    """One round: seconds per request of wall and CPU time at the ASGI call, wall over HTTP."""

    wall: float
    cpu: float
    http: float


async def _asgi(app: Any, count: int) -> tuple[float, float]:
    """Call the app ``count`` times; return wall and CPU seconds for each."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        pass

    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "method": "GET",
            "root_path": "",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "headers": HEADERS,
            "state": {},
        }
        await asyncio.create_task(app(scope, receive, send))
    return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


async def _subject(name: str, sinks: Sinks, pipe: Connection) -> None:
    """Serve rounds of one subject, for as long as the other end asks for them."""
    import uvicorn

    app = make_app()
    SUBJECTS[name].set_up(app, sinks)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            access_log=False,
            log_level="warning",
            timeout_keep_alive=3600,
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    pipe.send(server.servers[0].sockets[0].getsockname()[1])
    while (count := await asyncio.to_thread(pipe.recv)) is not None:
        pipe.send(await _asgi(app, count))
    server.should_exit = True
    await serving


def _run(name: str, sinks: Sinks, pipe: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    asyncio.run(_subject(name, sinks, pipe))


def _over_http(connection: socket.socket, count: int) -> float:
    lines = b"".join(b"%s: %s\r\n" % header for header in HEADERS)
    request = b"GET %s HTTP/1.1\r\n%s\r\n" % (PATH.encode(), lines)
    start = time.perf_counter()
    for _ in range(count):
        connection.sendall(request)
        received = b""
        while not received.endswith(b"}"):
            part = connection.recv(4096)
            if not part:
                raise ConnectionError("the server closed the connection")
            received += part
    return (time.perf_counter() - start) / count


class Runner:
    """The process of one subject, seen from here."""

    def __init__(self, name: str, sinks: Sinks) -> None:
        self.rounds: list[Round] = []
        self._pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_run, args=(name, sinks, theirs), daemon=True)
        self._process.start()
        port = self._pipe.recv()
        self._connection = socket.create_connection(("127.0.0.1", port))
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def round(self, count: int) -> None:
        """Run one round."""
        self._pipe.send(count)
        wall, cpu = self._pipe.recv()
        self.rounds.append(Round(wall, cpu, _over_http(self._connection, count)))

    def typical(self, measure: str) -> float:
        """Return the lower quartile of a measure in µs."""
        values: list[float] = [getattr(r, measure) for r in self.rounds]
        return statistics.quantiles(values, n=4)[0] * 1e6

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._pipe.send(None)
        self._process.join(10)
        self._process.terminate()


@contextlib.contextmanager
def runners(names: list[str]) -> Iterator[dict[str, Runner]]:
    """Run a process for every subject."""
    with forgetful_servers() as sinks:
        made: dict[str, Runner] = {}
        try:
            for name in names:
                made[name] = Runner(name, sinks)
            yield made
        finally:
            for runner in made.values():
                runner.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--requests", type=int, default=200, help="in a round")
    parser.add_argument("--only", default="", help="subjects, comma-separated")
    options = parser.parse_args()
    names = [n for n in options.only.split(",") if n] or list(SUBJECTS)
    names = [BASELINE, *[name for name in names if name != BASELINE]]
    with runners(names) as found:
        for runner in found.values():  # warm
            runner.round(options.requests)
            runner.rounds.clear()
        for _ in track(range(options.rounds), description="rounds"):
            for runner in found.values():
                runner.round(options.requests)
        console = Console(width=110)
        console.print(_table(found))
        console.print(_ratios(found))


def _table(found: dict[str, Runner]) -> Table:
    table = Table(title="µs per request (in brackets: added to the bare app)")
    table.add_column("subject")
    for title in ("ASGI call", "CPU, all threads", "behind uvicorn"):
        table.add_column(title, justify="right")
    for name, runner in found.items():
        cells = []
        for measure in ("wall", "cpu", "http"):
            value, base = runner.typical(measure), found[BASELINE].typical(measure)
            added = "" if name == BASELINE else f" (+{value - base:.0f})"
            cells.append(f"{value:.0f}{added}")
        table.add_row(SUBJECTS[name].title, *cells)
    return table


def _ratios(found: dict[str, Runner]) -> Table:
    table = Table(title="what this package adds, as a share of what the other adds")
    for title in ("this", "the other", "target", "ASGI call", "CPU, all threads", "behind uvicorn"):
        table.add_column(title, justify="left" if title in ("this", "the other") else "right")
    for ours, theirs, target in PAIRS:
        if ours not in found or theirs not in found:
            continue
        shares = []
        for measure in ("wall", "cpu", "http"):
            base = found[BASELINE].typical(measure)
            share = (found[ours].typical(measure) - base) / (found[theirs].typical(measure) - base)
            shares.append(f"{share:.2f}")
        table.add_row(ours, theirs, f"≤ {target:.2f}" if target else "–", *shares)
    return table


if __name__ == "__main__":
    main()
