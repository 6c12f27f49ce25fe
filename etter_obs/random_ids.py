"""Random ids, made many at a time: one by one they would cost a request 2 µs."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Final

_AT_A_TIME: Final = 512


def random_ids(digits: int) -> Callable[[], str]:
    """Return a function whose every call gives another ``digits`` random hexadecimal digits.

    ``digits`` is even. The function is safe among threads and after a fork, and uses the operating
    system's random numbers.
    """
    return _Ids(digits).take


class _Ids:
    __slots__ = ("__weakref__", "_digits", "ready")

    def __init__(self, digits: int) -> None:
        self._digits = digits
        self.ready: list[str] = []
        _all.add(self)

    def take(self) -> str:
        try:
            return self.ready.pop()
        except IndexError:
            digits = self._digits
            text = os.urandom(_AT_A_TIME * digits // 2).hex()
            self.ready.extend(text[at : at + digits] for at in range(digits, len(text), digits))
            return text[:digits]


_all: Final[weakref.WeakSet[_Ids]] = weakref.WeakSet()


def _after_fork() -> None:
    for ids in list(_all):
        ids.ready.clear()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)  # once: what is registered stays for good
