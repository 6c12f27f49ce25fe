"""Progress of long work: a live line on a terminal, elsewhere a plain line every 30 seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

_PLAIN_EVERY = 30.0  # seconds between plain lines: enough for a CI log to show progress


class Task:
    """A task on the screen; call `update` for progress, leave the block to close it."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._started = self._printed = time.monotonic()
        console = Console(file=sys.stderr)
        self._live: Status | None = console.status(title) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        else:
            _say(f"{self._title} ...")
        return self

    def update(self, detail: str) -> None:
        """Show `detail`, and the elapsed time next to the title."""
        now = time.monotonic()
        line = f"{self._title}: {detail}, {self.elapsed:.0f} s"
        if self._live:
            self._live.update(line)
        elif now - self._printed >= _PLAIN_EVERY:
            self._printed = now
            _say(line)

    @property
    def elapsed(self) -> float:
        """Seconds since the task started."""
        return time.monotonic() - self._started

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
        _say(f"{self._title}: {'failed after' if kind else 'done in'} {self.elapsed:.0f} s")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
