"""A Docker engine: the running one, else, in CI, Debian's with a temporary data root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stack.build import binary
from stack.processes import end
from stack.progress import Task

_START_TIMEOUT = 60.0  # seconds
_STOP_TIMEOUT = 60.0
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class EngineError(RuntimeError):
    """No engine answers and none may be started; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers. `own` is true if this process started it and will remove it."""

    environment: dict[str, str]
    own: bool

    def docker(self, *arguments: str | Path) -> str:
        """Run the docker client; returns its output.

        Raises EngineError, with the client's output, if the command fails.
        """
        return self._run(["docker", *arguments])

    def compose(self, project: Path, files: Sequence[str], *arguments: str) -> str:
        """Run Docker Compose of the pinned version in the folder `project`; returns its output.

        Raises EngineError, with its output, if the command fails.
        """
        named = [part for file in files for part in ("--file", file)]
        return self._run([binary("docker-compose"), *named, *arguments], folder=project)

    def _run(self, command: Sequence[str | Path], folder: Path | None = None) -> str:
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr)[-3000:]
            raise EngineError(f"{' '.join(map(str, command[:4]))} failed:\n{said}")
        return done.stdout


@contextmanager
def engine() -> Iterator[Engine]:
    """Yield the engine that answers, else one that this process runs within the block.

    Raises EngineError if none answers and CI is not "true", or this is not Debian or not root.
    """
    if _answers(dict(os.environ)):
        yield Engine(dict(os.environ), own=False)
        return
    if os.environ.get("CI") != "true":
        raise EngineError(
            "no Docker engine answers. Start one, or set CI=true to have Debian's installed "
            "and run for this test alone (needs root)"
        )
    if os.geteuid() != 0:
        raise EngineError("no Docker engine answers, and starting one needs root")
    apt_install("docker.io")
    with _started() as own:
        yield own


def _answers(environment: dict[str, str]) -> bool:
    if not shutil.which("docker"):
        return False
    asked = ["docker", "info", "--format", "{{.ServerVersion}}"]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0 and bool(done.stdout.strip())


def apt_install(package: str) -> None:
    """Install a Debian package if its program is missing.

    Raises EngineError if this is not Debian, or the install fails.
    """
    program = {"docker.io": "dockerd"}.get(package, package)
    environment = system_environment() | {"DEBIAN_FRONTEND": "noninteractive"}
    if shutil.which(program, path=environment["PATH"]):
        return
    if not shutil.which("apt-get"):
        raise EngineError(
            f"{program} is required; install it (this script knows only Debian's packages)"
        )
    with Task(f"installing {package} from Debian's packages"):
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            done = subprocess.run(
                ["apt-get", "--quiet", *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode:
                raise EngineError(f"apt-get {arguments[0]} failed:\n{done.stdout[-2000:]}")


def system_environment() -> dict[str, str]:
    """Return the environment with the system folders on PATH, which a user's PATH may lack."""
    path = os.environ.get("PATH", os.defpath)
    missing = [folder for folder in _SYSTEM_FOLDERS if folder not in path.split(os.pathsep)]
    return dict(os.environ) | {"PATH": os.pathsep.join([path, *missing])}


@contextmanager
def _started() -> Iterator[Engine]:
    had_bridge = Path("/sys/class/net/docker0").exists()
    root = Path(tempfile.mkdtemp(prefix="etter-obs-engine-"))
    environment = system_environment()
    environment |= {"DOCKER_HOST": f"unix://{root}/docker.sock", "DOCKER_BUILDKIT": "0"}
    environment.pop("DOCKER_CONTEXT", None)
    command = ["dockerd", "--host", environment["DOCKER_HOST"], "--data-root", str(root / "data")]
    command += ["--exec-root", str(root / "exec"), "--pidfile", str(root / "dockerd.pid")]
    try:
        with (root / "log").open("w") as log:
            daemon = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            deadline = time.monotonic() + _START_TIMEOUT
            while not _answers(environment):
                if daemon.poll() is not None or time.monotonic() > deadline:
                    tail = (root / "log").read_text(errors="replace")[-2000:]
                    raise EngineError(f"dockerd did not start:\n{tail}")
                time.sleep(0.2)
            yield Engine(environment, own=True)
        finally:
            end(daemon, _STOP_TIMEOUT)
    finally:
        if not had_bridge:
            remove = ["ip", "link", "delete", "docker0"]
            subprocess.run(remove, env=environment, capture_output=True, check=False)
        _unmount_below(root)
        shutil.rmtree(root)


def _unmount_below(root: Path) -> None:
    """Unmount the network namespace that dockerd leaves mounted."""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        mounted = line.split()[1]
        if mounted.startswith(f"{root}/"):
            subprocess.run(["umount", mounted], check=True)
