"""Write whole lines to a stream, bypassing Python's buffers if it has a file descriptor."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from etter_obs._internal.posix import POSIX

if POSIX:
    import fcntl


class TextStream(Protocol):
    """The methods that a sink requires of ``sys.stdout`` or its replacement."""

    def write(self, text: str, /) -> object:
        """Write ``text``."""

    def flush(self) -> None:
        """Flush the buffer."""


class StreamSink:
    """Write bytes to ``stream``; None (a process without stdout) discards them.

    The sink writes to the descriptor directly: a daemon thread that is stuck inside ``sys.stdout``
    would hold its lock, and the interpreter aborts at exit if it cannot get that lock. The
    descriptor is read again for each write, so that a closed stream is detected before its number
    belongs to another file.
    """

    def __init__(self, stream: TextStream | None) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Write all of ``data``; blocks as long as the reader does.

        Raises:
            OSError: The reader is gone.
            ValueError: The stream is closed.
        """
        if self._stream is None:
            raise ValueError("this process has no standard output")
        descriptor = self._descriptor(self._stream)
        if descriptor is None:
            self._stream.write(data.decode("utf-8"))
            self._stream.flush()
            return
        with _exclusive(descriptor):
            rest = memoryview(data)
            while rest:
                try:
                    rest = rest[os.write(descriptor, rest) :]
                except BlockingIOError:  # another process made the pipe non-blocking
                    select.select([], [descriptor], [])

    @staticmethod
    def _descriptor(stream: TextStream) -> int | None:
        if getattr(stream, "closed", False):
            raise ValueError("standard output is closed")
        fileno = getattr(stream, "fileno", None)
        if fileno is None:
            return None
        try:
            return int(fileno())
        except (OSError, ValueError):  # io.UnsupportedOperation: a stream in memory
            return None


@contextmanager
def _exclusive(descriptor: int) -> Iterator[None]:
    """Separate the lines of several workers on one pipe: writes above PIPE_BUF bytes can mix."""
    shared = POSIX and stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    if shared:
        with suppress(OSError):  # no locks left: lines may mix, but they are written
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if shared:
            with suppress(OSError):
                fcntl.lockf(descriptor, fcntl.LOCK_UN)
