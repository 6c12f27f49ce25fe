"""The example backend in a separate process, and a client of its fault switch."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from demo.processes import child, tail

_READY_TIMEOUT = 90.0


class BackendError(RuntimeError):
    """The backend did not start; the message contains the end of its output."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A running backend. ``stdout`` contains its log lines if it runs outside Docker."""

    base_url: str
    stdout: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def break_(
        self, target: str, *, error_share: float = 0.0, latency_seconds: float = 0.0
    ) -> None:
        """Turn the fault switch on for ``target`` in every worker."""
        fault = {"error_share": error_share, "latency_seconds": latency_seconds}
        httpx.put(self._switch(target), json=fault, timeout=10).raise_for_status()

    def repair(self, target: str) -> None:
        """Turn the fault off."""
        httpx.delete(self._switch(target), timeout=10).raise_for_status()

    def _switch(self, target: str) -> str:
        return f"{self.base_url}/api/etter/faults/{target}"


@contextmanager
def backend_running(
    run_dir: Path, *, port: int, workers: int = 1, **environment: str
) -> Iterator[Backend]:
    """Run the backend under uvicorn on loopback within the block.

    Args:
        run_dir: folder of its database, metrics files and logs.
        port: the port that it listens on.
        workers: number of processes that share the port.
        environment: variables in addition to this process's, for example ``REDIS_URL``.

    Raises:
        BackendError: it ended, or was not ready within 90 s.
    """
    metrics = run_dir / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True)
    env = {
        "ETTER_RUN_DIR": str(run_dir),
        "ETTER_FAULTS": "on",
        "RATE_LIMIT_REQUESTS": "1000000",  # all load comes from one address
        "WEB_CONCURRENCY": str(workers),  # the workers share the database's connections
        **environment,
    }
    if workers > 1:
        env["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    command = [sys.executable, "-m", "uvicorn", "examples.etter_backend.main:app"]
    command += ["--port", str(port), "--workers", str(workers), "--no-access-log"]
    logs = run_dir / "logs"
    with child("backend", command, log_dir=logs, env=env) as process:
        base_url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _READY_TIMEOUT
        while not _is_ready(base_url):
            if process.poll() is not None or time.monotonic() > deadline:
                told = tail(logs / "backend.err") or tail(logs / "backend.log")
                raise BackendError(f"the backend is not ready; its log ({logs}) ends:\n{told}")
            time.sleep(0.1)
        yield Backend(base_url, logs / "backend.log", process)


def _is_ready(base_url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{base_url}/health/ready", timeout=5).status_code == httpx.codes.OK
    return False
