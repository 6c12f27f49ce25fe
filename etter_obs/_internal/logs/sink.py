"""Writes whole lines to a stream, past Python's buffers where it has a file descriptor."""

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
    """What a sink needs of ``sys.stdout`` or what stands in for it."""

    def write(self, text: str, /) -> object:
        """Write ``text``."""

    def flush(self) -> None:
        """Hand on what is buffered."""


class StreamSink:
    """Writes bytes to ``stream``; None (a process started without stdout) takes and loses them.

    The descriptor is written directly: a daemon thread that is stuck inside ``sys.stdout`` would
    hold its lock, and the interpreter aborts at exit when it cannot get it. It is asked for anew
    each time, so that a closed stream is noticed before its number belongs to another file.
    """

    def __init__(self, stream: TextStream | None) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Write all of ``data``; blocks as long as the reader does.

        Raises:
            OSError: the reader is gone.
            ValueError: the stream is closed.
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
                except BlockingIOError:  # another holder of the pipe made it non-blocking
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
    """Keep several workers' lines apart on one pipe, which is atomic only up to PIPE_BUF bytes."""
    shared = POSIX and stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    if shared:
        with suppress(OSError):  # no locks left: lines may mix, but they do come out
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if shared:
            with suppress(OSError):
                fcntl.lockf(descriptor, fcntl.LOCK_UN)
