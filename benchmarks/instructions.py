"""Counts the instructions of a process, which other work on the machine does not change.

CPU time grows when other programs share the caches and the cores; the number of instructions does
not. The counter is Linux's ``perf_event_open``; many virtual machines and containers lack it.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import Final

_SYSCALL: Final = {"x86_64": 298, "aarch64": 241}
_ATTRIBUTES: Final = struct.Struct("=IIQQQQQ72x")
"""type, size, config, sample, sample type, read format, flags; the rest of 120 bytes is zero."""
_HARDWARE: Final = 0
_INSTRUCTIONS: Final = 1
_INHERIT: Final = 1 << 1
"""Flag: threads that start later count, too."""
_COUNT: Final = struct.Struct("=Q")


class Instructions:
    """The instructions of this process and of the threads that it starts from now on."""

    def __init__(self) -> None:
        self._counter = _open()

    def read(self) -> int | None:
        """Return the number of instructions so far; None where there is no counter."""
        if self._counter is None:
            return None
        count: int = _COUNT.unpack(os.read(self._counter, _COUNT.size))[0]
        return count


def _open() -> int | None:
    number = _SYSCALL.get(os.uname().machine) if sys.platform == "linux" else None
    if number is None:
        return None
    attributes = _ATTRIBUTES.pack(_HARDWARE, _ATTRIBUTES.size, _INSTRUCTIONS, 0, 0, 0, _INHERIT)
    this_process, every_core, no_group, no_flags = 0, -1, -1, 0
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(
        number, attributes, this_process, every_core, no_group, no_flags
    )
    return None if descriptor < 0 else descriptor
