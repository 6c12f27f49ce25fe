"""Where the workers of one service meet: a folder that its server's supervisor gives a name.

Two apps of one process have a folder each, or both would show the sum of both.
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
"""Numbers of the apps of this process that live, by their service."""


class SharedDir(NamedTuple):
    """The folder of one app's workers.

    ``path`` is None where this process is alone, or where workers cannot meet; ``apart`` is why
    they cannot. ``keeps`` is whether counts stay where no worker lives for a moment.
    """

    path: Path | None
    service: str
    app: int
    keeps: bool = False
    apart: str = ""

    def leave(self) -> None:
        """Give the app's number up, for the next app of this process."""
        _apps[self.service].discard(self.app)


def shared_dir(configured: Path | None, service: str) -> SharedDir:
    """Return the folder in which this process's fellow workers look too.

    Without a configured one, workers that uvicorn, gunicorn, hypercorn or granian started share a
    folder named after their supervisor, below one in the temporary folder that only this user may
    enter. Where none can be made, each worker counts for itself. Where the system has no locks,
    every process is alone.

    Args:
        configured: PROMETHEUS_MULTIPROC_DIR.
        service: its name; services of one server have a folder each.

    Raises:
        OSError: the configured folder cannot be made.
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


def _made_for(supervisor: int, app: str) -> Path:
    base = Path(tempfile.gettempdir()) / f"etter-obs-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    state = base.lstat()
    if base.is_symlink() or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise PermissionError(f"{base} belongs to another user, or other users can open it")
    _remove_stale(base)
    name = hashlib.sha256(app.encode()).hexdigest()[:8]
    path = base / f"{supervisor}-{_started_at(supervisor)}-{name}"
    path.mkdir(mode=0o700, exist_ok=True)
    probe = path / f"probe-{os.getpid()}"
    probe.touch()
    probe.unlink()
    return path


def _supervisor() -> int | None:
    """Return the process that starts this one's fellow workers, None where there is none."""
    parent = multiprocessing.parent_process()
    if parent is not None:  # uvicorn --workers and --reload, hypercorn
        return parent.pid
    if "gunicorn.arbiter" not in sys.modules:
        return None
    # A worker of gunicorn is a fork, so its parent shows the same command; else this is the parent
    # itself, that loads the app before it forks (--preload).
    return os.getppid() if _command(os.getppid()) == _command(os.getpid()) else os.getpid()


def preloads() -> bool:
    """Return whether this process is gunicorn's arbiter, which loads the app for its workers."""
    return _supervisor() == os.getpid()


def is_gunicorn_master(forking: FrameType) -> bool:
    """Tell whether the code that forks is gunicorn's, which starts workers and does not serve."""
    code, module = forking.f_code.co_name, forking.f_globals.get("__name__")
    return (module, code) == ("gunicorn.arbiter", "spawn_worker")


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return str(pid).encode()


def _started_at(pid: int) -> str:
    """Return when a process started, in the kernel's clock ticks; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _remove_stale(base: Path) -> None:
    """Remove folders whose supervisor is gone, and in which (another container's?) nobody lives."""
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
