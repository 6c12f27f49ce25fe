"""The shared folder of the workers of one service, named after the supervisor of its server.

Two apps of one process have separate folders, or both would show the sum of both.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from etter_obs._internal.metrics.workers import PREFIX, is_locked
from etter_obs._internal.posix import POSIX

_apps: Final[defaultdict[str, set[int]]] = defaultdict(set)
"""Numbers of the live apps of this process, by service."""


class SharedDir(NamedTuple):
    """The folder of one app's workers.

    ``path`` is None if this process is alone or the workers cannot share; ``apart`` is then the
    reason why they cannot. ``keeps`` is whether counts stay while no worker lives for a moment.
    """

    path: Path | None
    service: str
    app: int
    keeps: bool = False
    apart: str = ""

    def leave(self) -> None:
        """Release the app's number for the next app of this process."""
        _apps[self.service].discard(self.app)


def shared_dir(configured: Path | None, service: str) -> SharedDir:
    """Return the folder that this process shares with the other workers.

    Without a configured folder, workers started by uvicorn, gunicorn, hypercorn or granian share a
    folder named after their supervisor. It is in a subfolder of the temporary folder that only this
    user can enter. If it cannot be created, each worker counts for itself. On a system without
    locks, every process is alone.

    Args:
        configured: PROMETHEUS_MULTIPROC_DIR.
        service: Name of the service; services of one server have separate folders.

    Raises:
        OSError: The configured folder cannot be created.
    """
    app = next(number for number in range(len(_apps[service]) + 1) if number not in _apps[service])
    supervisor = _supervisor() if POSIX and configured is None else None
    found = SharedDir(None, service, app)
    if configured is not None and POSIX:
        path = configured / f"app-{app}" if app else configured
        path.mkdir(parents=True, exist_ok=True)
        found = found._replace(path=path)
    elif supervisor is not None:
        try:
            found = found._replace(path=_made_for(supervisor, f"{service}\n{app}"), keeps=True)
        except OSError as error:
            found = found._replace(apart=str(error))
    _apps[service].add(app)
    return found


def private_dir(shared: SharedDir) -> Path | None:
    """Return a folder that the workers share and that only this user can enter.

    None if this process is alone or the workers have no folder in common.
    """
    if shared.path is None or shared.keeps:
        return shared.path  # _made_for() has made it
    name = hashlib.sha256(f"{shared.path.resolve()}\n{shared.service}".encode()).hexdigest()[:8]
    path = _base() / f"of-{name}-{shared.app}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _base() -> Path:
    base = Path(tempfile.gettempdir()) / f"etter-obs-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    state = base.lstat()
    if base.is_symlink() or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise PermissionError(f"{base} belongs to another user, or other users can open it")
    return base


def _made_for(supervisor: int, app: str) -> Path:
    base = _base()
    _remove_stale(base)
    name = hashlib.sha256(app.encode()).hexdigest()[:8]
    path = base / f"{supervisor}-{_started_at(supervisor)}-{name}"
    path.mkdir(mode=0o700, exist_ok=True)
    probe = path / f"probe-{os.getpid()}"
    probe.touch()
    probe.unlink()
    return path


def _supervisor() -> int | None:
    """Return the process that starts the workers of this service; None if there is none."""
    parent = multiprocessing.parent_process()
    if parent is not None:  # uvicorn --workers and --reload, hypercorn
        return parent.pid
    if "gunicorn.arbiter" not in sys.modules:
        return None
    # A gunicorn worker is a fork, so its parent has the same command line. Otherwise this is the
    # parent itself, which loads the app before it forks (--preload).
    return os.getppid() if _command(os.getppid()) == _command(os.getpid()) else os.getpid()


def preloads() -> bool:
    """Return whether this process is gunicorn's arbiter, which loads the app for its workers."""
    return _supervisor() == os.getpid()


def is_gunicorn_master(forking: FrameType) -> bool:
    """Return whether the forking code is gunicorn's, which starts workers and does not serve."""
    code, module = forking.f_code.co_name, forking.f_globals.get("__name__")
    return (module, code) == ("gunicorn.arbiter", "spawn_worker")


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return str(pid).encode()


def _started_at(pid: int) -> str:
    """Return the start time of a process in the kernel's clock ticks; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _remove_stale(base: Path) -> None:
    """Remove folders whose supervisor is gone and in which no worker lives (in any container)."""
    for place in base.iterdir():
        pid, _, rest = place.name.partition("-")
        if (
            pid.isdigit()
            and _started_at(int(pid)) != rest.partition("-")[0]
            and not _has_live_workers(place)
        ):
            shutil.rmtree(place, ignore_errors=True)


def _has_live_workers(place: Path) -> bool:
    for path in place.glob(f"{PREFIX}*"):
        fd = os.open(path, os.O_RDONLY)
        try:
            if is_locked(fd):
                return True
        finally:
            os.close(fd)
    return False
