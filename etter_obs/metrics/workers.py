"""How the workers of one service find each other: a folder with one locked file for each.

A worker claims the file that a dead one left, if there is any, and counts on in it. So counters
outlive a worker, nothing needs to be merged, and there are never more files than there were workers
at one time. That a worker lives is known by its lock, which the kernel takes away when it dies;
process numbers are used again, locks are not. Where nobody lives, the next to come starts afresh.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from etter_obs.metrics.cells import Peer
from etter_obs.posix import POSIX

if POSIX:
    import fcntl

_PREFIX: Final = "worker-"
_NOTE: Final = "note-"
_LOCK_DEADLINE: Final = 5.0


class WorkerFolder:
    """The folder in which the workers of a service meet.

    Args:
        path: an existing folder that this user may write to.
        schema: identifies the layout of the records; files of another schema are not read.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._peers: dict[str, Peer] = {}
        self._living: dict[str, bool] = {}
        self._own: str | None = None
        self._looking = threading.Lock()
        self._fd: int | None = None

    def claim(self) -> int:
        """Lock a file for this process and return its descriptor, open for reading and writing.

        Raises:
            OSError: the folder cannot be written, or its lock could not be had in five seconds.
        """
        with self._locked(_LOCK_DEADLINE):
            taken, free = self._survey()
            if not taken:
                for name, fd in free.items():
                    self._remove(name, fd)
                free = {}
            for name in [name for name in free if not name.endswith(self._suffix)]:
                self._remove(name, free.pop(name))
            if free:
                self._own = min(free)
                self._fd = free.pop(self._own)
            else:
                number = next(n for n in range(len(taken) + 1) if self._name(n) not in taken)
                self._own = self._name(number)
                self._fd = os.open(self.path / self._own, os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for fd in free.values():
                os.close(fd)
        return self._fd

    def forked(self) -> int:
        """Claim anew in a forked child, which must not keep its parent's lock alive."""
        self._looking = threading.Lock()
        self._close()
        return self.claim()

    def release(self) -> None:
        """Give the file up: what it counted stays, for the next worker to count on in it."""
        if self._fd is not None:
            # Closing would not do: whoever still holds a mapped record holds the file open.
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._close()

    def _close(self) -> None:
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def note(self) -> Path:
        """The file for whatever else this worker shares; its predecessor's, if it had one."""
        return self._note(self._own or "")

    def notes(self) -> list[tuple[Path, bool]]:
        """Return the other workers' notes, if they wrote any, and whether each is alive."""
        with self._looking:
            self._look()
            return [(self._note(name), self._living.get(name, True)) for name in self._peers]

    def peers(self) -> list[tuple[Peer, bool]]:
        """Return the other workers' records and whether each is alive, as far as can be told."""
        with self._looking:
            return self._look()

    def _look(self) -> list[tuple[Peer, bool]]:
        names = {path.name for path in self.path.glob(f"{_PREFIX}*{self._suffix}")} - {self._own}
        for name in self._peers.keys() - names:
            self._peers.pop(name).close()
        for name in names - self._peers.keys():
            with contextlib.suppress(OSError):
                self._peers[name] = _open_peer(self.path / name)
        # While a worker starts, who lives is what was known before: a scrape waits for nobody.
        with contextlib.suppress(BlockingIOError), self._locked(0.0):
            self._living = {name: _is_locked(peer.fd) for name, peer in self._peers.items()}
        return [(peer, self._living.get(name, True)) for name, peer in self._peers.items()]

    @property
    def _suffix(self) -> str:
        return f"-{self._schema}.cells"

    def _note(self, name: str) -> Path:
        return self.path / f"{_NOTE}{name.removeprefix(_PREFIX)}"

    def _remove(self, name: str, fd: int) -> None:
        os.close(fd)
        (self.path / name).unlink()
        self._note(name).unlink(missing_ok=True)

    def _name(self, number: int) -> str:
        return f"{_PREFIX}{number:04}{self._suffix}"

    def _survey(self) -> tuple[set[str], dict[str, int]]:
        """Return the names of living workers' files, and the others open and locked."""
        taken: set[str] = set()
        free: dict[str, int] = {}
        for path in self.path.glob(f"{_PREFIX}*"):
            fd = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                taken.add(path.name)
            else:
                free[path.name] = fd
        return taken, free

    @contextlib.contextmanager
    def _locked(self, patience: float) -> Iterator[None]:
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + patience
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(0.005)
            yield
        finally:
            os.close(fd)


def meeting_place(configured: Path | None, service: str) -> Path | None:
    """Return the folder in which this process's fellow workers look too, None where it is alone.

    Without a configured one, workers that uvicorn or gunicorn started share a folder named after
    their supervisor, below one in the temporary folder that only this user may enter. Where the
    system has no locks, every process is alone.

    Raises:
        OSError: the configured folder cannot be made.
    """
    if not POSIX:
        return None
    if configured is not None:
        configured.mkdir(parents=True, exist_ok=True)
        return configured
    supervisor = _supervisor()
    if supervisor is None:
        return None
    base = Path(tempfile.gettempdir()) / f"etter-obs-{os.getuid()}"
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        state = base.lstat()
        if base.is_symlink() or state.st_uid != os.getuid() or state.st_mode & 0o077:
            return None
        _sweep(base)
        name = hashlib.sha256(service.encode()).hexdigest()[:8]
        place = base / f"{supervisor}-{_born(supervisor)}-{name}"
        place.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return place


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


def loads_before_it_forks() -> bool:
    """Return whether this process is gunicorn's arbiter, which loads the app for its workers."""
    return _supervisor() == os.getpid()


def is_arbiter(forking: FrameType) -> bool:
    """Tell whether the code that forks is gunicorn's, which starts workers and does not serve."""
    code, module = forking.f_code.co_name, forking.f_globals.get("__name__")
    return (module, code) == ("gunicorn.arbiter", "spawn_worker")


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return str(pid).encode()


def _born(pid: int) -> str:
    """Return when a process started, in the kernel's clock ticks; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _sweep(base: Path) -> None:
    """Remove folders whose supervisor is gone, and in which (another container's?) nobody lives."""
    for place in base.iterdir():
        pid, _, rest = place.name.partition("-")
        if pid.isdigit() and _born(int(pid)) != rest.partition("-")[0] and not _inhabited(place):
            shutil.rmtree(place, ignore_errors=True)


def _inhabited(place: Path) -> bool:
    for path in place.glob(f"{_PREFIX}*"):
        fd = os.open(path, os.O_RDONLY)
        try:
            if _is_locked(fd):
                return True
        finally:
            os.close(fd)
    return False


def _open_peer(path: Path) -> Peer:
    fd = os.open(path, os.O_RDONLY)
    try:
        return Peer(fd)
    except (OSError, ValueError):  # just made, still empty
        os.close(fd)
        raise OSError(f"{path} is empty") from None


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False
