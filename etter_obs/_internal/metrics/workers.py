"""How the workers of one service find each other: a folder with one locked file per worker.

A worker claims the file of a dead worker, if there is one, and continues its counts. Counters thus
outlive a worker, nothing has to be merged, and there are never more files than the maximum number
of workers at one time. The lock of a worker shows that it lives, because the kernel releases the
lock when it dies; process ids are reused, locks are not. If no worker lives, the next one starts
from zero.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from etter_obs._internal.metrics.cells import Peer
from etter_obs._internal.posix import POSIX

if POSIX:
    import fcntl

PREFIX: Final = "worker-"
_NOTE: Final = "note-"
_LOCK_TIMEOUT: Final = 5.0


class WorkerFolder:
    """The folder that the workers of a service share.

    Args:
        path: An existing folder that this user can write to.
        schema: Identifies the layout of the records; files of another schema are not read.
        keeps: Whether counts stay while no worker lives for a moment, such as during a reload.
    """

    def __init__(self, path: Path, schema: str, *, keeps: bool = False) -> None:
        self.path = path
        self._keeps = keeps
        self._schema = schema
        self._peers: dict[str, Peer] = {}
        self._living: dict[str, bool] = {}
        self._own: str | None = None
        self._looking = threading.Lock()
        self._fd: int | None = None

    def claim(self) -> int:
        """Lock a file for this process and return its descriptor, open for reading and writing.

        Raises:
            OSError: The folder cannot be written, or its lock was not free within five seconds.
        """
        with self._locked(_LOCK_TIMEOUT):
            taken, free = self._survey()
            if not taken and not self._keeps:
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
        """Claim a file in a forked child, which must not keep its parent's lock alive."""
        self._looking = threading.Lock()
        self._close()
        return self.claim()

    def release(self) -> None:
        """Release the file. Its counts stay, and the next worker continues them."""
        if self._fd is not None:
            # Closing is not enough: any holder of a mapped record keeps the file open.
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
        """The file for other data that this worker shares; its predecessor's, if it had one."""
        return self._note(self._own or "")

    def notes(self) -> list[tuple[Path, bool]]:
        """Return the other workers' notes, if they wrote any, and whether each worker lives."""
        with self._looking:
            self._look()
            return [(self._note(name), self._living.get(name, True)) for name in self._peers]

    def peers(self) -> list[tuple[Peer, bool]]:
        """Return the other workers' records and whether each worker lives, as far as known."""
        with self._looking:
            return self._look()

    def _look(self) -> list[tuple[Peer, bool]]:
        names = {path.name for path in self.path.glob(f"{PREFIX}*{self._suffix}")} - {self._own}
        for name in self._peers.keys() - names:
            self._peers.pop(name).close()
        for name in names - self._peers.keys():
            with contextlib.suppress(OSError):
                self._peers[name] = _open_peer(self.path / name)
        # While a worker starts, the last known state applies: a scrape never waits.
        with contextlib.suppress(BlockingIOError), self._locked(0.0):
            self._living = {name: is_locked(peer.fd) for name, peer in self._peers.items()}
        return [(peer, self._living.get(name, True)) for name, peer in self._peers.items()]

    @property
    def _suffix(self) -> str:
        return f"-{self._schema}.cells"

    def _note(self, name: str) -> Path:
        return self.path / f"{_NOTE}{name.removeprefix(PREFIX)}"

    def _remove(self, name: str, fd: int) -> None:
        os.close(fd)
        (self.path / name).unlink()
        self._note(name).unlink(missing_ok=True)

    def _name(self, number: int) -> str:
        return f"{PREFIX}{number:04}{self._suffix}"

    def _survey(self) -> tuple[set[str], dict[str, int]]:
        """Return the names of living workers' files, and the other files open and locked."""
        taken: set[str] = set()
        free: dict[str, int] = {}
        for path in self.path.glob(f"{PREFIX}*"):
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


def _open_peer(path: Path) -> Peer:
    fd = os.open(path, os.O_RDONLY)
    try:
        return Peer(fd)
    except (OSError, ValueError):  # just created, still empty
        os.close(fd)
        raise OSError(f"{path} is empty") from None


def is_locked(fd: int) -> bool:
    """Return whether the process that claimed the file of this descriptor lives."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False
