"""The secrets of the stack, each in its own file under ``secrets/``, which git ignores.

No password has a well-known default. ``etter-obs init`` generates the missing random passwords, and
the containers read them as files. Only the owner can enter the folder (0700). The files in it are
readable by everyone (0644), because the containers that mount them run as other users.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from pathlib import Path

FOLDER = "secrets"
POSTGRES_PASSWORD = "postgres-password"  # noqa: S105  # the name of a file
_RANDOM = ("grafana-admin-password", POSTGRES_PASSWORD, "prometheus/metrics-token")
_MOUNTED = (
    "alertmanager",
    "prometheus",
)  # mounted as folders, each into the container of that name
WEBHOOK = "alertmanager/webhook-url"
_WEBHOOK_DEFAULT = "http://host.docker.internal:9095/alerts"  # on the Docker host


def ensure_secrets(root: Path, without: Collection[str] = ()) -> list[Path]:
    """Write the secret files that the project ``root`` lacks; existing files stay unchanged.

    Each file appears with its complete content.

    Args:
        root: The project folder.
        without: Names of secrets that are not written.

    Returns:
        The written files.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = root / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in _MOUNTED:
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(0o755)  # independent of the umask
    contents = {name: secrets.token_urlsafe(24) for name in _RANDOM} | {WEBHOOK: _WEBHOOK_DEFAULT}
    written = []
    for name, content in contents.items():
        path = folder / name
        if name not in without and not path.exists():
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            partial.write_text(content, encoding="utf-8")
            partial.chmod(0o644)
            partial.replace(path)
            written.append(path)
    return written


def is_placeholder(path: Path) -> bool:
    """Return whether the secret is still the placeholder that ``ensure_secrets`` wrote.

    Random passwords are not placeholders. A file that cannot be read does not count as one.
    """
    try:
        return path.is_file() and path.read_bytes().strip() == _WEBHOOK_DEFAULT.encode()
    except OSError:
        return False
