"""The stack, the backend and the receiver, by Docker Compose or as native processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from demo import compose
from demo.backend import Backend, backend_running
from demo.compose import ComposeError
from demo.first_look import first_look
from demo.history import backfill
from demo.processes import ROOT, child
from demo.receiver import Receiver
from etter_obs._internal.secret_files import ensure_secrets
from etter_obs._internal.slo.loading.loader import load_spec
from examples.etter_backend.cache.embedded import free_port, redis_server
from stack.build import binary, ensure, missing_of
from stack.installed import components
from stack.layout import Ports, PortTakenError
from stack.native import running
from stack.versions import BUILDS, NATIVE

_APP_PORT = 8000
_RECEIVER_PORT = 9095
_LATE = ("loki",)  # the longest build; the story does not need it
_LATE_ONCE = ("alertmanager", "node_exporter", "collector", "loki")  # nobody opens a trace then


class PlatformError(RuntimeError):
    """The demo lacks a prerequisite; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Platform:
    """The addresses of all servers."""

    backend: Backend
    prometheus: str
    alertmanager: str
    loki: str
    tempo: str  # Tempo's API
    receiver: str
    grafana: str | None
    traces_file: Path | None
    late: Mapping[str, str] = field(default_factory=dict)
    """What is still being built and joins later, with the URL that answers once it has."""
    late_build: subprocess.Popen[bytes] | None = None


Starter = Callable[[Path], AbstractContextManager[Platform]]


def choose(*, once: bool) -> tuple[str, Starter]:
    """Return Docker if an engine answers, else native; STACK=docker or STACK=native overrides.

    ``once``: the demo ends by itself, and nobody looks around in it.

    Raises:
        PlatformError: STACK has another value.
    """
    wanted = os.environ.get("STACK", "")
    if wanted not in ("", "docker", "native"):
        raise PlatformError(f"STACK holds {wanted!r}: it takes docker or native")
    name = wanted or ("native" if compose.refusal() else "docker")
    return name, docker if name == "docker" else partial(native, once=once)


@contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """Lock ``run_dir`` within the block.

    Raises:
        PlatformError: another demo runs in it.
    """
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    with run_dir.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlatformError("another demo is running in this checkout; end it first") from None
        yield


@contextmanager
def native(run_dir: Path, *, once: bool) -> Iterator[Platform]:
    """Run everything as processes of this machine, on loopback, in ``run_dir``.

    What is not built yet is built first, or joins late: with ``once``, all but Prometheus.
    """
    # An earlier run's history would mix with this one's.
    shutil.rmtree(run_dir, ignore_errors=True)
    port, receiver_port, ports = _ports()
    missing = missing_of(build for build in BUILDS if build.name in NATIVE)
    late = [build for build in missing if build.name in (_LATE_ONCE if once else _LATE)]
    if first := [build for build in missing if build not in late]:
        with first_look(run_dir / "first-look", port):
            ensure(first)
    _backfill_folder(run_dir / "history.om", run_dir / "stack/data/prometheus")
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(port=receiver_port))
        names = [build.name for build in late]
        services = stack.enter_context(
            running(
                run_dir / "stack",
                ports=ports,
                webhook=receiver.url,
                only=components(),
                late=names,
            )
        )
        late_build = stack.enter_context(_building(names, run_dir)) if late else None
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
                ETTER_OBS_CONSOLE="true",
                ADJACENCY_EXPIRATION_SECONDS="60",  # or the model service is called only once
                ETTER_FEATURES="-eager_loading",  # so that the N+1 warning has something to show
            )
        )
        services.set_targets("etter", [f"127.0.0.1:{port}"])
        yield Platform(
            backend,
            services.prometheus,
            services.alertmanager,
            services.loki,
            services.tempo,
            receiver.url,
            grafana=services.grafana if "grafana" in services.pids else None,
            traces_file=services.traces_file,
            late={name: services.ready_url(name) for name in names},
            late_build=late_build,
        )


def _building(
    names: Sequence[str], run_dir: Path
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Build components while the rest runs, with the processor time that the rest leaves."""
    command = ["nice", "-n", "19", sys.executable, "-m", "stack", "build", *names]
    return child("build", command, log_dir=run_dir / "logs")


def _backfill_folder(file: Path, data: Path) -> None:
    def promtool(command: tuple[str, ...]) -> None:
        whole = [str(binary("promtool")), *command, str(file), str(data)]
        done = subprocess.run(whole, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise PlatformError(f"promtool made no blocks of the history: {done.stderr.strip()}")

    data.mkdir(parents=True)
    backfill(load_spec(ROOT / "slo.yaml"), int(time.time()), file, promtool)


def _ports() -> tuple[int, int, str]:
    """Return the documented ports if all of them are free, else any free ones."""
    try:
        Ports().require_free(grafana="grafana" in components())
        for port in (_APP_PORT, _RECEIVER_PORT):
            with Receiver(port=port):
                pass
    except (PortTakenError, OSError):
        return free_port(), 0, "free"
    return _APP_PORT, _RECEIVER_PORT, "default"


@contextmanager
def docker(run_dir: Path) -> Iterator[Platform]:
    """Run everything with Docker Compose, from the shipped file.

    Raises:
        ComposeError: there is no engine, an image is not available, or a service does not start.
    """
    if reason := compose.refusal():
        raise ComposeError(f"Docker Compose cannot be used: {reason}")
    ensure_secrets(ROOT)
    compose.pull()
    _remove()  # or the history of an earlier run would mix with this one's
    try:
        _backfill_volume(run_dir / "history.om")
        compose.run("up", "--build", "--detach", "--wait", "--wait-timeout=600")
        yield Platform(
            Backend(compose.address("backend", 8000)),
            compose.address("prometheus", 9090),
            compose.address("alertmanager", 9093),
            compose.address("loki", 3100),
            compose.address("tempo", 3200),
            f"{compose.address('receiver', 9095)}/alerts",
            grafana=compose.address("grafana", 3000),
            traces_file=None,
        )
    finally:
        compose.save_logs(run_dir / "logs/compose.log")
        _remove()


def _remove() -> None:
    compose.run("down", "--volumes", "--remove-orphans")


def _backfill_volume(file: Path) -> None:
    def promtool(command: tuple[str, ...]) -> None:
        file.chmod(0o644)  # the container runs as another user
        # Its file system is read-only, and promtool needs a temporary folder.
        inside = ("run", "--rm", "--no-deps", "--env=TMPDIR=/prometheus", "--entrypoint=promtool")
        mount = f"--volume={file}:/history.om:ro"
        compose.run(*inside, mount, "prometheus", *command, "/history.om", "/prometheus")

    backfill(load_spec(ROOT / "slo.yaml"), int(time.time()), file, promtool)
