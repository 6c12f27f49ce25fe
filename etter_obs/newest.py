"""What counts where several apps of one process want the same place: the newest that still runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """A place of the process, such as where decorated functions count, that one app has at a time.

    An app that is set up takes the place over; when it ends, the newest of the others gets it
    back, in whatever order they end. A reader in the request path looks at ``current`` alone.
    """

    __slots__ = ("_held", "_lock", "current")

    def __init__(self) -> None:
        self.current: T | None = None
        """What counts now; None where no app runs."""
        self._held: list[tuple[object, T]] = []
        self._lock = threading.RLock()  # re-entrant: a signal may end an app

    def put(self, value: T) -> Callable[[], None]:
        """Make ``value`` the current one; return the undo, whose second call does nothing."""
        key = object()
        with self._lock:
            self._held.append((key, value))
            self.current = value

        def undo() -> None:
            with self._lock:
                self._held[:] = [held for held in self._held if held[0] is not key]
                self.current = self._held[-1][1] if self._held else None

        return undo
