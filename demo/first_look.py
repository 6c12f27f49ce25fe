"""What there is to see while the stack is built: the backend under load, with its console."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from demo.backend import backend_running
from demo.processes import child
from examples.etter_backend.cache.embedded import free_port, redis_server

_USERS = 5  # the builds need the processors
_LINK = "etter-obs console: "
_LINK_TIMEOUT = 10.0


@contextmanager
def first_look(run_dir: Path, port: int) -> Iterator[None]:
    """Run the backend under a light load within the block, and print the link to its console.

    Nothing is exported: what it sends traces and log lines to is not built yet.

    Raises:
        BackendError: it did not start.
    """
    started = time.monotonic()
    with ExitStack() as parts:
        backend = parts.enter_context(
            backend_running(
                run_dir,
                port=port,
                REDIS_URL=parts.enter_context(redis_server(free_port())),
                ETTER_OBS_CONSOLE="true",
                ETTER_FEATURES="-eager_loading",
            )
        )
        command = [sys.executable, "-m", "locust", "-f", "demo/locustfile.py", "--headless"]
        command += ["--users", str(_USERS), "--host", backend.base_url, "--loglevel", "WARNING"]
        parts.enter_context(child("locust", command, log_dir=run_dir / "logs"))
        link = _link(run_dir / "logs" / "backend.err") or f"{backend.base_url}/docs"
        print(f"first look after {time.monotonic() - started:.0f} s: {link}", flush=True)
        print(f"    the backend with {_USERS} users, while the stack is built", flush=True)
        yield


def _link(errors: Path) -> str | None:
    """Return the link that the backend printed; None if it printed none in time."""
    deadline = time.monotonic() + _LINK_TIMEOUT
    while time.monotonic() < deadline:
        for line in errors.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(_LINK):
                return line.removeprefix(_LINK)
        time.sleep(0.1)
    return None
