"""A bounded memory of the newest items."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Final

_OVERHEAD: Final = 120
"""Bytes that an item costs besides its content: the objects that hold it."""


class Ring:
    """The newest items, limited in number and in bytes. Any thread may use it.

    Items are bytes, because they are exact in size and need no visit by the garbage collector.

    Args:
        items: Maximum number of items.
        size: Maximum bytes of all items together.
    """

    def __init__(self, items: int, size: int) -> None:
        self._items = items
        self._size = size
        self._held: deque[tuple[float, int, bytes]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self.seen = 0
        """Number of items since the start, those that are gone included."""
        _rings.add(self)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, at: float, number: int, item: bytes) -> None:
        """Add an item; the oldest make room for it.

        Args:
            at: Unix time.
            number: Identifies the item in this process.
            item: The content.
        """
        held = self._held
        with self._lock:
            self.seen += 1
            held.append((at, number, item))
            self._bytes += len(item) + _OVERHEAD
            while held and (len(held) > self._items or self._bytes > self._size):
                self._bytes -= len(held.popleft()[2]) + _OVERHEAD

    def after(self, at: float) -> list[tuple[float, int, bytes]]:
        """Return the items later than ``at``, the oldest first."""
        with self._lock:
            held = list(self._held)
        return [item for item in held if item[0] > at]

    def newest_first(self) -> Iterator[tuple[float, int, bytes]]:
        """Yield the items as they are now, the newest first."""
        with self._lock:
            held = list(self._held)
        return reversed(held)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may hold."""
        self._lock = threading.Lock()


_rings: Final[weakref.WeakSet[Ring]] = weakref.WeakSet()


def _after_fork() -> None:
    for ring in tuple(_rings):
        ring.after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
