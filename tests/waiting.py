"""Waiting for something to become true, by looking and not by sleeping a fixed time; and times."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def eventually(
    probe: Callable[[], T | None],
    *,
    deadline_s: float,
    every_s: float = 0.25,
    tell: Callable[[], object] | None = None,
) -> T:
    """Return the first truthy answer of ``probe``; fail after ``deadline_s`` seconds.

    The failure shows the last answer, or what ``tell`` says then.
    """
    end = time.monotonic() + deadline_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            shown = tell() if tell else answer
            raise AssertionError(f"not within {deadline_s:g} s: {shown!r}")
        time.sleep(every_s)


def lasting(seconds: float) -> None:
    """Wait as long as a fault lasts."""
    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > end, deadline_s=seconds + 5, every_s=0.5)


def usual(took: Sequence[float]) -> float:
    """Return the time that nine of ten did not exceed.

    What waits does so each time; a machine that stalls lengthens a few.
    """
    return sorted(took)[len(took) * 9 // 10]
