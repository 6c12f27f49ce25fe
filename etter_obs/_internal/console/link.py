"""Print the link to the console once the server listens."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_FOLDER: Final = Path("/dev/fd")
_POLL_SECONDS: Final = 0.1
_POLLS: Final = 150
_ANY: Final = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound


async def print_link(
    path: str, token: str, *, address: Callable[[], str | None], folder: Path | None
) -> None:
    """Write the link to standard error, once per service.

    It never becomes a log line: log lines leave the machine, and the token must not.

    Args:
        path: Path of the console.
        token: The token.
        address: Returns the server's host and port; None until it listens.
        folder: The folder that the workers share; None: this process is alone.
    """
    found = None
    for _ in range(_POLLS):
        await asyncio.sleep(_POLL_SECONDS)
        if (found := address()) is not None:
            break
    if folder is not None:
        try:
            (folder / "console-link").touch(0o600, exist_ok=False)
        except FileExistsError:
            return  # another worker has printed it
    sys.stderr.write(
        f"etter-obs console: http://{found or '127.0.0.1:PORT'}{path}/?token={token}\n"
    )
    sys.stderr.flush()


def listening_address() -> str | None:
    """Return the address that this process listens on, as a browser of this machine writes it."""
    try:
        return next(_listening(), None)
    except OSError:  # no list of descriptors on this system
        return None


def _listening() -> Iterator[str]:
    """Yield the addresses that this process listens on.

    No hook of a server reports them, and a command line may not contain them.
    """
    for entry in sorted(_FOLDER.iterdir(), key=lambda entry: int(entry.name)):
        try:
            number = int(entry.name)
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as found:
                if found.family not in (socket.AF_INET, socket.AF_INET6):
                    continue
                if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    continue
                host, port = found.getsockname()[:2]
        except OSError:  # closed meanwhile
            continue
        yield as_url_host(host, port)


def as_url_host(host: str, port: int) -> str:
    """Return a bound address as the host of a URL that a browser of this machine can open."""
    if host in _ANY:
        host = "127.0.0.1"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
