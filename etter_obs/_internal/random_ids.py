"""Random ids, generated in bulk: one at a time they would cost a request 2 µs."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Final

_BATCH: Final = 512


class _Pool:
    """Ids in stock; unlike a list, the class supports weak references."""

    def __init__(self) -> None:
        self.ready: list[str] = []


_pools: Final[weakref.WeakSet[_Pool]] = weakref.WeakSet()


def random_ids(digits: int) -> Callable[[], str]:
    """Return a function that returns ``digits`` new random hexadecimal digits on each call.

    ``digits`` is even. The function is safe across threads and after a fork. It uses the random
    numbers of the operating system.
    """
    pool = _Pool()
    _pools.add(pool)
    ready = pool.ready

    def take(_keeps: _Pool = pool) -> str:
        try:
            return ready.pop()
        except IndexError:
            text = os.urandom(_BATCH * digits // 2).hex()
            ready.extend(text[at : at + digits] for at in range(digits, len(text), digits))
            return text[:digits]

    return take


def _after_fork() -> None:
    for pool in list(_pools):
        pool.ready.clear()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(
        after_in_child=_after_fork
    )  # only once: a registered callback cannot be removed
