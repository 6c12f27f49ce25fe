"""Real server processes around an app of a test: uvicorn, gunicorn, hypercorn, granian."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from demo.databases import free_port
from tests.waiting import eventually

ROOT: Final = Path(__file__).parents[1]
_START_TIMEOUT: Final = 60
_STOP_TIMEOUT: Final = 30

Command = Callable[[str, int, bool], list[str]]
"""Makes a server's arguments of the app (``module:name``), the port and whether it is a factory."""


def _uvicorn(*more: str) -> Command:
    def command(app: str, port: int, factory: bool) -> list[str]:
        given = ["uvicorn", app, "--host", "127.0.0.1", "--port", str(port), *more]
        return [*given, "--factory"] if factory else given

    return command


def _gunicorn(*more: str) -> Command:
    def command(app: str, port: int, factory: bool) -> list[str]:
        target = f"{app}()" if factory else app
        given = ["gunicorn", target, "--bind", f"127.0.0.1:{port}", "--workers", "1"]
        return [*given, "--worker-class", "uvicorn_worker.UvicornWorker", *more]

    return command


def _hypercorn(*more: str) -> Command:
    def command(app: str, port: int, factory: bool) -> list[str]:
        target = f"{app}()" if factory else app
        return ["hypercorn", target, "--bind", f"127.0.0.1:{port}", *more]

    return command


def _granian(*more: str) -> Command:
    def command(app: str, port: int, factory: bool) -> list[str]:
        given = ["granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
        return [*given, *(["--factory"] if factory else []), *more, app]

    return command


SERVERS: Final[dict[str, Command]] = {
    "uvicorn": _uvicorn(),
    "uvicorn-workers": _uvicorn("--workers", "2"),
    "uvicorn-reload": _uvicorn("--reload"),
    "gunicorn": _gunicorn(),
    "gunicorn-workers": _gunicorn("--workers", "2"),
    "gunicorn-preload": _gunicorn("--workers", "2", "--preload"),
    "hypercorn": _hypercorn(),
    "hypercorn-workers": _hypercorn("--workers", "2"),
    "hypercorn-trio": _hypercorn("--worker-class", "trio"),
    "granian": _granian("--workers", "1"),
    "granian-workers": _granian("--workers", "2"),
}


@dataclass
class Running:
    """A server process with its output; it can be called and ended."""

    name: str
    port: int
    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)
    """Lines of standard output and standard error, as they came."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the output that are JSON objects."""
        found = []
        for line in list(self.output):
            with suppress(ValueError):
                value = json.loads(line)
                if isinstance(value, dict):
                    found.append(value)
        return found

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a request on a new connection."""
        return httpx.get(self.url + path, **{"timeout": 10, **options})

    def answers(self) -> bool:
        """Return whether it accepts connections and answers."""
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended by itself:\n{self.said()}")
        with suppress(httpx.TransportError):
            self.get("/health/live", timeout=5)
            return True
        return False

    def said(self) -> str:
        """Return all of its output."""
        return "\n".join(self.output)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started, as an operator or a container does."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait until the process has ended, and return its exit code."""
        if self.process.poll() is None:
            self.send(number)
        code = self.process.wait(_STOP_TIMEOUT)
        self._reader.join(5)
        return code

    def start_reading(self) -> None:
        """Collect the output on a thread."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))


@contextmanager
def running(
    server: str,
    app: str,
    *arguments: str,
    factory: bool = False,
    python: Path | str = sys.executable,
    cwd: Path = ROOT,
    wait: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Run an app under a server until the block ends; no process is left behind.

    Args:
        server: one of :data:`SERVERS`.
        app: ``module:name`` of the app, or of what makes it where ``factory`` is set.
        arguments: more arguments of the server.
        factory: whether ``app`` names a function that returns the app.
        python: the interpreter whose environment has the server and the app.
        cwd: the folder from which the module is imported.
        wait: whether the block begins only when the server answers.
        environment: variables of the process, besides those of this one.
    """
    port = free_port()
    process = subprocess.Popen(
        [str(python), "-m", *SERVERS[server](app, port, factory), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(cwd)}
        | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    run = Running(server, port, process)
    run.start_reading()
    try:
        if wait:
            eventually(run.answers, deadline_s=_START_TIMEOUT, every_s=0.05, tell=run.said)
        yield run
    finally:
        _end_all(process)


def _end_all(process: subprocess.Popen[str]) -> None:
    """End the process and all that it started, whatever they are doing."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        family = [*first.children(recursive=True), first]
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait(_STOP_TIMEOUT)
