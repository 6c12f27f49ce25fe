"""What only POSIX systems provide. Without it, as on Windows, each process counts on its own."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Final

POSIX: Final = find_spec("fcntl") is not None
"""Whether the kernel has locks, for workers to find each other and to separate lines."""

_LOG: Final = logging.getLogger("etter_obs")
_told = False


def warn_about_missing_posix() -> None:
    """Warn once per process what this system does not support."""
    global _told  # the system is the same for the whole process
    if not POSIX and not _told:
        _told = True
        _LOG.warning(
            "This system is not POSIX: the metrics of several workers are not added up (run one "
            "worker), and the process_* metrics for memory and files are missing"
        )
