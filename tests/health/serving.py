"""Real uvicorn processes for the tests of signals and ports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from stack.processes import end
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
APP = "tests.health.served_app:app"
UVICORN = ("uvicorn", APP, "--log-level", "warning", "--port")
GUNICORN = ("gunicorn", APP, "--worker-class", "asgi", "--log-level", "warning", "--bind")


def answer(url: str) -> httpx.Response | None:
    """Return the response, or None if nothing answers yet or any more."""
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=5)
    return None


@contextmanager
def served(
    port: int, *arguments: str, server: tuple[str, ...] = UVICORN, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """``tests.health.served_app`` under a real server on ``port``, until the block ends."""
    address = f"127.0.0.1:{port}" if server is GUNICORN else str(port)
    process = subprocess.Popen(
        [sys.executable, "-m", *server[:-1], f"{server[-1]}={address}", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    try:
        url = f"http://127.0.0.1:{port}/health/live"
        eventually(lambda: answer(url), deadline_s=30, every_s=0.05)
        yield process
    finally:
        end(process, 20)
