"""The stack, the backend and the receiver, by Docker Compose or as native processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.backend import Backend, backend_running
from demo.history import backfill
from demo.processes import ROOT
from demo.receiver import Receiver
from etter_obs.secret_files import ensure_secrets
from etter_obs.slo.loader import load_spec
from examples.etter_backend.embedded import free_port, redis_server
from stack.build import binary
from stack.layout import Ports, PortTakenError
from stack.native import running

_APP_PORT = 8000
_RECEIVER_PORT = 9095
_FILES = ("docker-compose.yml", "docker-compose.demo.yml", "demo/docker-compose.yml")
_COMPOSE = ("docker", "compose", *(part for file in _FILES for part in ("--file", file)))


class PlatformError(RuntimeError):
    """What the demo needs is not to be had; the message says what and the remedy."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Where everything listens."""

    backend: Backend
    prometheus: str
    alertmanager: str
    loki: str
    receiver: str
    grafana: str | None
    traces_file: Path | None


Starter = Callable[[Path], AbstractContextManager[Platform]]


def choose() -> tuple[str, Starter]:
    """Docker where an engine answers, else native; STACK=docker or STACK=native overrides.

    Raises:
        PlatformError: STACK holds something else.
    """
    wanted = os.environ.get("STACK", "")
    if wanted not in ("", "docker", "native"):
        raise PlatformError(f"STACK holds {wanted!r}: it takes docker or native")
    name = wanted or ("docker" if _engine_answers() else "native")
    return name, docker if name == "docker" else native


def _engine_answers() -> bool:
    try:
        for question in (("docker", "version"), ("docker", "compose", "version")):
            subprocess.run(question, capture_output=True, check=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """Hold ``run_dir`` for the length of the block.

    Raises:
        PlatformError: another demo holds it.
    """
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    with run_dir.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlatformError("another demo is running in this checkout; end it first") from None
        yield


@contextmanager
def native(run_dir: Path) -> Iterator[Platform]:
    """Run everything as processes of this machine, on loopback, in ``run_dir``."""
    shutil.rmtree(run_dir, ignore_errors=True)  # an earlier run's history would blur this one's
    port, receiver_port, ports = _ports()
    _backfill_folder(run_dir / "history.om", run_dir / "stack/data/prometheus")
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(port=receiver_port))
        services = stack.enter_context(
            running(run_dir / "stack", ports=ports, webhook=receiver.url)
        )
        redis_url = stack.enter_context(redis_server(free_port()))
        backend = stack.enter_context(
            backend_running(
                run_dir / "backend",
                port=port,
                workers=2,
                REDIS_URL=redis_url,
                APM_ENABLED="true",
                OTLP_ENDPOINT=services.otlp_grpc,
                ENVIRONMENT="production",
                ADJACENCY_EXPIRATION_SECONDS="60",  # or the model service is asked once and no more
            )
        )
        services.set_targets("etter", [f"127.0.0.1:{port}"])
        yield Platform(
            backend,
            services.prometheus,
            services.alertmanager,
            services.loki,
            receiver.url,
            grafana=None,
            traces_file=services.traces_file,
        )


def _backfill_folder(file: Path, data: Path) -> None:
    def promtool(command: tuple[str, ...]) -> None:
        whole = [str(binary("promtool")), *command, str(file), str(data)]
        done = subprocess.run(whole, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise PlatformError(f"promtool made no blocks of the history: {done.stderr.strip()}")

    data.mkdir(parents=True)
    backfill(load_spec(ROOT / "slo.yaml"), int(time.time()), file, promtool)


def _ports() -> tuple[int, int, str]:
    """The ports that the documents name, where all of them are free; else any."""
    try:
        Ports().require_free()
        for port in (_APP_PORT, _RECEIVER_PORT):
            with Receiver(port=port):
                pass
    except (PortTakenError, OSError):
        return free_port(), 0, "free"
    return _APP_PORT, _RECEIVER_PORT, "default"


@contextmanager
def docker(run_dir: Path) -> Iterator[Platform]:
    """Run everything by Docker Compose, from the file that users get."""
    ensure_secrets(ROOT)
    try:
        _compose("down", "--volumes")  # an earlier run's history would blur this one's
        _backfill_volume(run_dir / "history.om")
        _compose("up", "--build", "--detach", "--wait", "--wait-timeout", "600")
        port = {
            name: os.environ.get(f"{name}_PORT", default)
            for name, default in (
                ("BACKEND", _APP_PORT),
                ("PROMETHEUS", 9090),
                ("ALERTMANAGER", 9093),
                ("LOKI", 3100),
                ("GRAFANA", 3000),
                ("RECEIVER", _RECEIVER_PORT),
            )
        }
        url = {name: f"http://127.0.0.1:{number}" for name, number in port.items()}
        yield Platform(
            Backend(url["BACKEND"]),
            url["PROMETHEUS"],
            url["ALERTMANAGER"],
            url["LOKI"],
            f"{url['RECEIVER']}/alerts",
            grafana=url["GRAFANA"],
            traces_file=None,
        )
    finally:
        _compose("down", "--volumes")


def _backfill_volume(file: Path) -> None:
    def promtool(command: tuple[str, ...]) -> None:
        file.chmod(0o644)  # the container's user is another one
        # Its file system is read-only, and promtool wants a temporary folder.
        inside = ("run", "--rm", "--no-deps", "--env=TMPDIR=/prometheus", "--entrypoint=promtool")
        mount = f"--volume={file}:/history.om:ro"
        _compose(*inside, mount, "prometheus", *command, "/history.om", "/prometheus")

    backfill(load_spec(ROOT / "slo.yaml"), int(time.time()), file, promtool)


def _compose(*arguments: str) -> None:
    try:
        subprocess.run(  # noqa: S603
            [*_COMPOSE, *arguments], cwd=ROOT, env={**os.environ, "ETTER_FAULTS": "on"}, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise PlatformError(
            f"docker compose {arguments[0]} failed ({error}); without Docker: STACK=native"
        ) from error
