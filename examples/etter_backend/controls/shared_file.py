"""A value in a file that all workers read: the state of a switch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


class SharedFile(Generic[T]):
    """A value stored in ``path`` as JSON; ``empty`` if there is no file."""

    def __init__(self, path: Path, adapter: TypeAdapter[T], empty: T) -> None:
        self._path = path
        self._adapter = adapter
        self._empty = self._value = empty
        self._stamp = (0, 0)

    def read(self) -> T:
        """Return the value; read the file again only if it has changed."""
        try:
            status = self._path.stat()
            stamp = status.st_mtime_ns, status.st_ino  # two changes may have the same mtime
            if stamp != self._stamp:
                self._value = self._adapter.validate_json(self._path.read_bytes())
                self._stamp = stamp
        except FileNotFoundError:
            self._value, self._stamp = self._empty, (0, 0)
        return self._value

    def write(self, value: T) -> None:
        """Replace the value. Other workers see it immediately."""
        new = self._path.with_suffix(f".{os.getpid()}")
        new.write_bytes(self._adapter.dump_json(value))
        new.replace(self._path)
