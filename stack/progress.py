"""Progress of long work: a live line on a terminal, elsewhere a plain line every 30 seconds.

The cache keeps how long each task took, so that its line says next time how much is left.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from stack.cache import cache_root, locked

_PLAIN_EVERY = 30.0  # seconds between plain lines: enough for a CI log to show progress


class Task:
    """A task on the screen; call `update` for progress, leave the block to close it.

    Args:
        title: what is done.
        key: the name under which its duration is kept; None: the title.
        expected: seconds that it takes if none are kept yet; None: unknown.
    """

    def __init__(self, title: str, key: str | None = None, expected: float | None = None) -> None:
        self._title = title
        self._key = key or title
        self._expected = last_time(self._key) or expected
        self._started = self._printed = time.monotonic()
        console = Console(file=sys.stderr)
        self._live: Status | None = console.status(title) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        else:
            _say(f"{self._title} ...{self._left()}")
        return self

    def update(self, detail: str) -> None:
        """Show `detail`, and the elapsed time next to the title."""
        now = time.monotonic()
        line = f"{self._title}: {detail}, {self.elapsed:.0f} s{self._left()}"
        if self._live:
            self._live.update(line)
        elif now - self._printed >= _PLAIN_EVERY:
            self._printed = now
            _say(line)

    def _left(self) -> str:
        if self._expected is None:
            return ""
        left = self._expected - self.elapsed
        return f", about {in_words(left)} left" if left > 0 else ", longer than last time"

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
        if not kind:
            _keep(self._key, self.elapsed)


def last_time(key: str) -> float | None:
    """Return the seconds that a task took the last time; None if that is unknown."""
    found = _kept().get(key)
    return found if isinstance(found, int | float) else None


def in_words(seconds: float) -> str:
    """Return a duration with the precision of an estimate: "40 s", "6 min"."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _keep(key: str, seconds: float) -> None:
    with suppress(OSError), locked("durations"):  # an estimate is worth no error
        partial = _file().with_suffix(".partial")
        partial.write_text(json.dumps(_kept() | {key: round(seconds, 1)}, indent=1), "utf-8")
        partial.replace(_file())


def _kept() -> dict[str, object]:
    with suppress(OSError, ValueError):
        held = json.loads(_file().read_text(encoding="utf-8"))
        return held if isinstance(held, dict) else {}
    return {}


def _file() -> Path:
    return cache_root() / "durations.json"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
