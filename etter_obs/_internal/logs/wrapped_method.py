"""Puts something around a method of a class that others may wrap as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class WrappedMethod:
    """A method of ``owner`` that :meth:`put` wraps and :meth:`remove` gives back.

    Whoever wraps the method later keeps a reference to what stands there now. It is therefore taken
    out only where it is outermost; else it stays, must do nothing by itself, and is not put twice.

    Args:
        owner: the class.
        name: of the method, which the class defines itself.
        wrap: makes the new method of the old one.
    """

    def __init__(
        self, owner: type, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        self._owner, self._name, self._wrap = owner, name, wrap
        self._original: Callable[..., Any] = getattr(owner, name)
        self._ours: Callable[..., Any] | None = None
        self.alone: Callable[..., Any] | None = None
        """What the method is as long as nobody else has wrapped it, before or after."""

    def put(self) -> None:
        """Wrap the method, unless it is wrapped already."""
        if self._ours is None:
            self._original = getattr(self._owner, self._name)
            self._ours = self._wrap(self._original)
            is_first = self._original.__module__ == self._owner.__module__
            self.alone = self._ours if is_first else None
            setattr(self._owner, self._name, self._ours)

    def remove(self) -> None:
        """Give the method back, unless somebody has wrapped ours."""
        if self._ours is not None and getattr(self._owner, self._name) is self._ours:
            setattr(self._owner, self._name, self._original)
            self._ours = None
