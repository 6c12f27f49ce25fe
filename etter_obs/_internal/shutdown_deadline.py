"""The shutdown deadline, shared by every part that has something to send."""

from __future__ import annotations

import time


class ShutdownDeadline:
    """A deadline that starts when the app ends; each part waits at most for the rest of it."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: float | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the app is ending."""
        return self._ends is not None

    def begin(self, seconds: float) -> None:
        """Start the deadline; it replaces an earlier one."""
        self._ends = time.monotonic() + seconds

    def clear(self) -> None:
        """Clear the deadline, because the app continues or starts again."""
        self._ends = None

    def left(self) -> float:
        """Return the remaining seconds; 0 if set-up failed before the deadline started."""
        return 0.0 if self._ends is None else max(0.0, self._ends - time.monotonic())
