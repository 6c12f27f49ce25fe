"""The time that the end of an app may take, shared by everything that has something to send."""

from __future__ import annotations

import time


class ShutdownDeadline:
    """Starts once, when the app ends; every part waits at most for what is left of it."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: float | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the app is ending."""
        return self._ends is not None

    def begin(self, seconds: float) -> None:
        """Start the time; it replaces an earlier one."""
        self._ends = time.monotonic() + seconds

    def clear(self) -> None:
        """Forget it: the app goes on, or starts anew."""
        self._ends = None

    def left(self) -> float:
        """Return the seconds that are left; 0 where set-up failed before anything could wait."""
        return 0.0 if self._ends is None else max(0.0, self._ends - time.monotonic())
