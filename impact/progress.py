"""Shows which phase runs and how long the rest takes, in a terminal and in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar


class Progress:
    """One bar over all phases; outside a terminal, one line for each phase.

    Args:
        planned: seconds of all phases together; the pace so far corrects it.
    """

    def __init__(self, planned: float) -> None:
        self._console = Console(stderr=True)
        self._planned, self._done, self._took = planned, 0.0, 0.0
        self._bar = Bar(
            TextColumn("{task.description:48}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=planned, left=self.left)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @property
    def left(self) -> str:
        """How long the rest will take."""
        pace = self._took / self._done if self._done else 1.0
        return f"about {max(0.0, self._planned - self._done) * pace / 60:.0f} min left"

    @contextmanager
    def phase(self, name: str, seconds: float) -> Iterator[None]:
        """Show a phase that was planned to take so long."""
        self._bar.update(self._task, description=name)
        if not self._console.is_terminal:
            self._console.print(f"{name} ({self.left})", highlight=False)
        started = time.monotonic()
        yield
        self._took += time.monotonic() - started
        self._done += seconds
        self._bar.update(self._task, completed=self._done, left=self.left)
