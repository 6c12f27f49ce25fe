"""Wrap a method of a class that other code may wrap as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class WrappedMethod:
    """A method of ``owner`` that ``put`` wraps and ``remove`` restores.

    Code that wraps the method later keeps a reference to our wrapper. ``remove`` therefore restores
    the method only if our wrapper is outermost. Otherwise the wrapper remains; it must then do
    nothing by itself, and ``put`` does not wrap again.

    Args:
        owner: The class.
        name: Name of the method, which the class itself defines.
        wrap: Creates the new method from the old one.
    """

    def __init__(
        self, owner: type, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        self._owner, self._name, self._wrap = owner, name, wrap
        self._original: Callable[..., Any] = getattr(owner, name)
        self._ours: Callable[..., Any] | None = None
        self.alone: Callable[..., Any] | None = None
        """The wrapper, as long as no other code has wrapped the method before or after."""

    def put(self) -> None:
        """Wrap the method, unless it is wrapped already."""
        if self._ours is None:
            self._original = getattr(self._owner, self._name)
            self._ours = self._wrap(self._original)
            is_first = self._original.__module__ == self._owner.__module__
            self.alone = self._ours if is_first else None
            setattr(self._owner, self._name, self._ours)

    def remove(self) -> None:
        """Restore the method, unless other code has wrapped ours."""
        if self._ours is not None and getattr(self._owner, self._name) is self._ours:
            setattr(self._owner, self._name, self._original)
            self._ours = None
