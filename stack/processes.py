"""A program of the stack that can be started, killed and started again."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

_PR_SET_PDEATHSIG = 1
_STOP_TIMEOUT = 20.0
_ANSWER_TIMEOUT = 2.0


class NotReadyError(RuntimeError):
    """A program ended or did not become ready; the message contains the end of its log."""


@dataclass(slots=True)
class Program:
    """One process; ``ready`` is a URL that answers 200 once it works. Its log is appended to."""

    name: str
    command: Sequence[str | Path]
    ready: str
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `wait` waits until it is ready."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
            )

    def wait(self, timeout: float = 90.0) -> None:
        """Wait until it is ready.

        Raises:
            NotReadyError: it ended, or is not ready after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                text = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
                said = "\n".join(text)
                raise NotReadyError(f"{self.name} {'ended' if ended else 'is not ready'}:\n{said}")
            time.sleep(0.1)

    def is_ready(self) -> bool:
        """Return whether it answers now."""
        return answers(self.ready)

    def kill(self) -> None:
        """End it at once, without a chance to write anything down."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it in an orderly way."""
        if self.process is not None:
            end(self.process, _STOP_TIMEOUT)


@contextmanager
def running(*programs: Program) -> Iterator[None]:
    """Run programs within the block; it starts when all are ready. Raises NotReadyError."""
    try:
        for program in programs:
            program.start()
        for program in programs:
            program.wait()
        yield
    finally:
        for program in reversed(programs):
            program.stop()


def answers(url: str) -> bool:
    """Return whether a URL answers 200 now."""
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=_ANSWER_TIMEOUT).status_code == httpx.codes.OK
    return False


def end(process: subprocess.Popen[bytes], timeout: float) -> None:
    """End a process by SIGTERM, and by SIGKILL if it still runs after ``timeout`` seconds."""
    process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_with_parent() -> None:
    """Make the kernel end this child when its parent ends, even by SIGKILL (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
