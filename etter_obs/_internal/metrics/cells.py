"""The storage of values: records of doubles, in memory or in the file of the worker.

A record never moves and a file only grows, so other processes can read it without a lock. All
numbers are eight bytes wide and aligned: a reader sees the old or the new number, never a mixture.

Layout of a file: a header of ``_HEADER`` bytes whose first eight bytes are the number of used
bytes, then the records. A record consists of its size and the size of its key (four bytes each),
the key (JSON, padded to eight bytes) and its doubles. A record never crosses the end of a chunk; a
record without a key fills the gap.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeAlias

Record: TypeAlias = "memoryview[float]"
Labels = tuple[str, ...]

_CHUNK: Final = 1 << 18
_HEADER: Final = 64
_SIZES: Final = struct.Struct("=II")
_USED: Final = struct.Struct("=Q")
_BATCH: Final = 50


class Cells:
    """The records of one process: ``records[metric suffix][label values]`` → its doubles.

    Args:
        fd: The worker's file, opened for reading and writing; None keeps the records in memory.
    """

    def __init__(self, fd: int | None = None) -> None:
        self.records: dict[str, dict[Labels, Record]] = {}
        self._fd = fd
        self._chunk = -1
        self._at = _CHUNK
        self._view = memoryview(b"")
        self._header: mmap.mmap | None = None
        if fd is not None:
            self._open(fd)

    def allocate(self, suffix: str, labels: Labels, size: int) -> Record:
        """Return the record of these labels: what a predecessor left, else ``size`` zeros.

        The caller holds the registry's lock.

        Args:
            suffix: The metric's name without prefix.
            labels: The label values.
            size: Number of doubles.

        Returns:
            The record.
        """
        family = self.records.setdefault(suffix, {})
        record = family.get(labels)
        if record is None:
            record = family[labels] = self._append(suffix, labels, size)
        return record

    def _open(self, fd: int) -> None:
        if os.fstat(fd).st_size == 0:
            self._grow()
            return
        self._header = mmap.mmap(fd, _CHUNK)
        chunks = os.fstat(fd).st_size // _CHUNK
        used = _USED.unpack_from(self._header)[0]
        for self._chunk in range(chunks):
            self._view = memoryview(_map(fd, self._chunk))
            self._at = self._start()
            end = min(used - self._chunk * _CHUNK, _CHUNK)
            for suffix, labels, record, after in _parse(self._view, self._at, end):
                self.records.setdefault(suffix, {})[labels] = record
                self._at = after

    def _start(self) -> int:
        return _HEADER if self._chunk == 0 else 0

    def _grow(self) -> None:
        """Start a new chunk. If the disk is full, further values stay in memory, unshared."""
        self._chunk += 1
        if self._fd is not None:
            try:
                _reserve(self._fd, self._chunk * _CHUNK)
                chunk = _map(self._fd, self._chunk)
            except OSError:
                self._fd = self._header = None
            else:
                self._view = memoryview(chunk)
                if self._header is None:
                    self._header = chunk
        if self._fd is None:
            self._view = memoryview(bytearray(_CHUNK))
        self._at = self._start()

    def _append(self, suffix: str, labels: Labels, size: int) -> Record:
        key = json.dumps([suffix, labels], ensure_ascii=False).encode("utf-8", "replace")
        padded = (len(key) + 7) & ~7
        needed = _SIZES.size + padded + 8 * size
        if self._at + needed > _CHUNK:
            if self._at + _SIZES.size <= len(self._view):
                _SIZES.pack_into(self._view, self._at, _CHUNK - self._at, 0)
            self._grow()
        view, start = self._view, self._at
        first = start + _SIZES.size + padded
        _SIZES.pack_into(view, start, needed, len(key))
        view[start + _SIZES.size : start + _SIZES.size + len(key)] = key
        self._at = start + needed
        if self._header is not None:
            # Last, so that a reader never sees an incomplete record.
            _USED.pack_into(self._header, 0, self._chunk * _CHUNK + self._at)
        return view[first : first + 8 * size].cast("d")


class Peer:
    """The records of another worker, read from its file; ``refresh`` reads new records."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.records: dict[str, dict[Labels, Record]] = {}
        self._chunk = 0
        self._at = _HEADER
        self._reading = threading.Lock()
        self._header = _map(fd, 0, mmap.ACCESS_READ)
        self._view = memoryview(self._header)

    def refresh(self) -> Iterator[None]:
        """Read the records added since the last call, yielding now and then for a pause."""
        while self._read_batch():
            yield

    def _read_batch(self) -> bool:
        """Read some new records; return whether there are more. Several threads may read."""
        with self._reading:
            used = _USED.unpack_from(self._header)[0]
            end = used - self._chunk * _CHUNK
            parsed = _parse(self._view, self._at, min(end, _CHUNK))
            count = 0
            for suffix, labels, record, after in islice(parsed, _BATCH):
                self.records.setdefault(suffix, {})[labels] = record
                self._at = after
                count += 1
            if count == _BATCH:
                return True
            if end <= _CHUNK:
                return False
            self._chunk, self._at = self._chunk + 1, 0
            self._view = memoryview(_map(self.fd, self._chunk, mmap.ACCESS_READ))
            return True

    def close(self) -> None:
        """Close the file. A mapping is freed with its last record."""
        os.close(self.fd)


def _map(fd: int, chunk: int, access: int = mmap.ACCESS_WRITE) -> mmap.mmap:
    return mmap.mmap(fd, _CHUNK, access=access, offset=chunk * _CHUNK)


def _reserve(fd: int, offset: int) -> None:
    """Reserve space for a chunk, because writing to a hole on a full disk kills the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, offset, _CHUNK)
    else:
        os.ftruncate(fd, offset + _CHUNK)


def _parse(view: memoryview[int], at: int, end: int) -> Iterator[tuple[str, Labels, Record, int]]:
    """Yield the records of a chunk between two offsets, each with the offset of the next."""
    while at + _SIZES.size <= end:
        size, key_size = _SIZES.unpack_from(view, at)
        if size == 0:
            return
        if key_size:
            key = at + _SIZES.size
            first = key + ((key_size + 7) & ~7)
            suffix, labels = json.loads(bytes(view[key : key + key_size]))
            yield suffix, tuple(labels), view[first : at + size].cast("d"), at + size
        at += size
