"""What only POSIX systems have, and what is off without it. On Windows one process is whole."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Final

POSIX: Final = find_spec("fcntl") is not None
"""Whether there are the kernel's locks, by which workers find each other and keep lines apart."""

_LOG: Final = logging.getLogger("etter_obs")
_told = False


def warn_about_missing_posix() -> None:
    """Say, once a process, what this system cannot do."""
    global _told  # one system for the process
    if not POSIX and not _told:
        _told = True
        _LOG.warning(
            "This system is not POSIX: the metrics of several workers are not added up (run one "
            "worker), and the process_* metrics for memory and files are missing"
        )
