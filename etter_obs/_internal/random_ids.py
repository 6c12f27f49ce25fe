"""Random ids, made many at a time: one by one they would cost a request 2 µs."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Final

_AT_A_TIME: Final = 512


class _Pool:
    """Ids that wait; unlike a list it can be referred to weakly."""

    def __init__(self) -> None:
        self.ready: list[str] = []


_pools: Final[weakref.WeakSet[_Pool]] = weakref.WeakSet()


def random_ids(digits: int) -> Callable[[], str]:
    """Return a function whose every call gives another ``digits`` random hexadecimal digits.

    ``digits`` is even. The function is safe among threads and after a fork, and uses the operating
    system's random numbers.
    """
    pool = _Pool()
    _pools.add(pool)
    ready = pool.ready

    def take(_keeps: _Pool = pool) -> str:
        try:
            return ready.pop()
        except IndexError:
            text = os.urandom(_AT_A_TIME * digits // 2).hex()
            ready.extend(text[at : at + digits] for at in range(digits, len(text), digits))
            return text[:digits]

    return take


def _after_fork() -> None:
    for pool in list(_pools):
        pool.ready.clear()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)  # once: what is registered stays for good
