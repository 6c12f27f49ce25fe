"""The token of the console: one for all workers of a service."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

_BYTES: Final = 32
_NAME: Final = "console-token"


def shared_token(folder: Path | None) -> str:
    """Return the token of the service's console; the first worker makes it.

    Args:
        folder: A folder that only this user can enter; None: this process is alone.
    """
    made = secrets.token_urlsafe(_BYTES)
    if folder is None:
        return made
    path, own = folder / _NAME, folder / f"{_NAME}-{os.getpid()}"
    own.touch(0o600)
    own.write_text(made)
    with suppress(FileExistsError):
        os.link(own, path)  # unlike a rename, it never replaces the token of another worker
    own.unlink()
    return path.read_text()
