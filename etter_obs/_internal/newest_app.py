"""What counts where several apps of one process want the same place: the newest that still runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
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


class NewestOn:
    """Things that several apps may patch, such as the engine of a module: the newest has each.

    So a statement counts once, however many apps were made around its engine, and they may end in
    any order.
    """

    def __init__(self) -> None:
        self._holders: dict[int, list[_Holder]] = {}
        """By the thing's identity; a holder keeps it."""
        self._lock = threading.RLock()

    def put(self, thing: object, patch: Callable[[], Callable[[], None]]) -> Callable[[], None]:
        """Take out what another app has patched, and call ``patch``, which returns its undo.

        Args:
            thing: what is patched.
            patch: patches it. It is called again when a newer app has ended.

        Returns:
            The undo, whose second call does nothing.
        """
        mine = _Holder(thing, patch)
        with self._lock:
            holders = self._holders.setdefault(id(thing), [])
            if holders:
                holders[-1].take_out()
            holders.append(mine)
            mine.put_in()
        return partial(self._forget, mine)

    def _forget(self, mine: _Holder) -> None:
        with self._lock:
            holders = self._holders.get(id(mine.thing), [])
            if mine not in holders:
                return
            mine.take_out()
            was_newest = mine is holders[-1]
            holders.remove(mine)
            if not holders:
                del self._holders[id(mine.thing)]
            elif was_newest:
                holders[-1].put_in()


class _Holder:
    def __init__(self, thing: object, patch: Callable[[], Callable[[], None]]) -> None:
        self.thing = thing
        self._patch = patch
        self._undo: Callable[[], None] | None = None

    def put_in(self) -> None:
        self._undo = self._patch()

    def take_out(self) -> None:
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()
