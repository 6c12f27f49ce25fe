"""Detect what writes to the console: the standard output or standard error of this process."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

_DEVICES: Final = frozenset(
    f"/{folder}/{name}"
    for folder, names in (("dev", ("stdout", "stderr", "fd/1", "fd/2")), ("proc/self/fd", "12"))
    for name in names
)
"""Files that are the console under another name; containers log to them."""
_DESCRIPTORS: Final = (1, 2)


def is_console(stream: Any) -> bool:
    """Return whether ``stream``, of text or of bytes, is the console."""
    standard = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    if stream is None:
        return False
    for one in standard:
        if stream is one or stream is getattr(one, "buffer", None):
            return True
    try:
        return stream.fileno() in _DESCRIPTORS
    except Exception:  # noqa: BLE001  # in memory, closed, or not a stream
        return False


def writes_to_console(handler: logging.Handler) -> bool:
    """Return whether a handler of the logging module, or of rich, writes to the console."""
    if isinstance(handler, logging.FileHandler):
        return handler.baseFilename in _DEVICES
    if isinstance(handler, logging.StreamHandler):
        return is_console(handler.stream)
    console = getattr(handler, "console", None)  # the console of rich
    return console is not None and is_console(getattr(console, "file", None))
