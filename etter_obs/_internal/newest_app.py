"""Shared places of the process: the newest running app owns each of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """A place of the process that one app owns at a time, such as the registry of decorators.

    An app takes the place when it is set up. When it ends, the newest of the other apps gets the
    place back, in whatever order they end. Readers in the request path read only ``current``.
    """

    __slots__ = ("_held", "_lock", "current")

    def __init__(self) -> None:
        self.current: T | None = None
        """The current value; None if no app runs."""
        self._held: list[tuple[object, T]] = []
        self._lock = threading.RLock()  # re-entrant, because a signal may end an app

    def put(self, value: T) -> Callable[[], None]:
        """Make ``value`` current and return the undo. A second call of the undo does nothing."""
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
    """Objects that several apps may patch, such as a module's engine: the newest app owns each.

    A statement is therefore counted once, however many apps observe its engine, and the apps may
    end in any order.
    """

    def __init__(self) -> None:
        self._holders: dict[int, list[_Holder]] = {}
        """By the object's identity; a holder keeps it alive."""
        self._lock = threading.RLock()

    def put(self, thing: object, patch: Callable[[], Callable[[], None]]) -> Callable[[], None]:
        """Remove the patch of another app and call ``patch``, which returns its undo.

        Args:
            thing: The object to patch.
            patch: Patches it. It is called again after a newer app has ended.

        Returns:
            The undo; its second call does nothing.
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
