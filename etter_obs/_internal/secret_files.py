"""The secrets of the stack, each in a file of its own under `secrets/`, which git ignores.

No password has a default that anyone knows: the random ones are made where they are missing, by
`etter-obs init`, and read by the containers as files. The folder is the owner's alone (0700); the
files in it are readable to all (0644), because the containers that they are mounted into run as
other users.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from pathlib import Path

FOLDER = "secrets"
POSTGRES_PASSWORD = "postgres-password"  # noqa: S105  # a file's name
_RANDOM = ("grafana-admin-password", POSTGRES_PASSWORD, "prometheus/metrics-token")
_MOUNTED = ("alertmanager", "prometheus")  # as folders, each into the container of its name
WEBHOOK = "alertmanager/webhook-url"
_WEBHOOK_DEFAULT = "http://host.docker.internal:9095/alerts"  # on the Docker host


def ensure_secrets(root: Path, without: Collection[str] = ()) -> list[Path]:
    """Write the secret files that are missing in the project `root`; what is there stays.

    Those named in `without` are not made. Each file appears whole. Returns the files written.
    Raises OSError where the folder cannot be written.
    """
    folder = root / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in _MOUNTED:
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(0o755)  # whatever the umask
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
    """Tell whether the secret is still what `ensure_secrets` wrote for want of the user's own.

    The random passwords are none. A file that cannot be read is not known to be one.
    """
    try:
        return path.is_file() and path.read_bytes().strip() == _WEBHOOK_DEFAULT.encode()
    except OSError:
        return False
