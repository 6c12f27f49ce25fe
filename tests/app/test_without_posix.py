"""The package where POSIX's modules and functions are not, as on Windows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HIDDEN = """
import asyncio, concurrent.futures, multiprocessing.util, os, select, signal, socket, subprocess
import sys, tempfile, time
import fastapi, httpx, pydantic, pytest, structlog  # what is theirs has its own ways on Windows
import grpc, opentelemetry.sdk.trace, redis.asyncio, sentry_sdk, sqlalchemy.ext.asyncio
import prometheus_client
from fastapi.testclient import TestClient

for module in ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[module] = None
for owner, names in {
    os: "fchmod fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpriority "
        "getsid getuid initgroups killpg lockf mkfifo nice posix_fallocate posix_spawn pread "
        "pwrite register_at_fork sched_getaffinity setsid setuid statvfs sysconf uname wait wait4",
    select: "epoll poll",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGQUIT SIGUSR1 SIG_BLOCK SIG_UNBLOCK pthread_kill "
        "pthread_sigmask setitimer sigpending sigwait",
    socket: "SO_REUSEPORT",
    time: "CLOCK_BOOTTIME CLOCK_MONOTONIC clock_gettime",
}.items():
    for name in names.split():
        if hasattr(owner, name):
            delattr(owner, name)
"""

EVERY_MODULE = """
import importlib, pkgutil, etter_obs
for module in pkgutil.walk_packages(etter_obs.__path__, "etter_obs."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("imported")
"""

ONE_PROCESS = """
import etter_obs
app = fastapi.FastAPI()
@app.get("/items/{item}")
def read(item: int) -> int:
    return item
obs = etter_obs.setup_observability(app)
with TestClient(app) as client:
    assert client.get("/items/7").status_code == 200
    assert client.get("/health/ready").status_code == 200
    print(client.get("/metrics").text)
obs.shutdown()
"""


def without_posix(script: str, folder: Path, **variables: str) -> str:
    """Run a script that sees no POSIX, and return what it said."""
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN + script],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    """No module of the package needs POSIX to be imported, the command line's neither."""
    assert without_posix(EVERY_MODULE, tmp_path) == "imported\n"


def test_one_process_is_whole_and_says_what_is_off(tmp_path: Path) -> None:
    """Requests are counted, lines written, spans tried; one WARNING says what is not there.

    A folder for workers is no error: there are no locks by which they could share it.
    """
    said = without_posix(
        ONE_PROCESS,
        tmp_path,
        APM_ENABLED="true",
        OTLP_ENDPOINT="127.0.0.1:9",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
    )
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [line["level"] for line in lines if "not POSIX" in line["message"]] == ["WARNING"]
    assert [line["endpoint"] for line in lines if "status_code" in line] == ["/items/{item}"]
    assert 'etter_requests_total{method="GET",endpoint="/items/{item}",status="200"} 1' in said
    assert "process_cpu_seconds_total" in said


def test_the_command_line_works(tmp_path: Path) -> None:
    """`init`, then `generate --check`, end with 0."""
    script = """
from etter_obs._internal.cli import main
for command in (["init"], ["generate", "--check"]):
    try:
        main(command)
    except SystemExit as end:
        assert not end.code, end.code
"""
    without_posix(script, tmp_path)
    assert (tmp_path / "etter-obs/slo.yaml").is_file()
