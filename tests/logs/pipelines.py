"""A pipeline that writes to a file of the test's own, and what it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from etter_obs._internal.conventions import LOG_LINES, TELEMETRY_DROPPED
from etter_obs._internal.logs import LogPipeline
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings


class Logged:
    """An installed pipeline. ``with Logged(path) as logged``: leaving it undoes everything."""

    def __init__(
        self, path: Path, settings: Settings | None = None, stream: TextIO | None = None
    ) -> None:
        self.path = path
        self.registry = MetricsRegistry("etter")
        self._file = path.open("a", encoding="utf-8")
        self.pipeline = LogPipeline(
            settings or Settings(), "shop", "test", self.registry, stream or self._file
        )
        self.undo = self.pipeline.install()

    def __enter__(self) -> Logged:
        return self

    def __exit__(self, *_: object) -> None:
        self.pipeline.close(5.0)
        self._file.close()
        self.registry.close()

    def raw(self) -> list[bytes]:
        """Return every line written so far, after a flush."""
        assert self.pipeline.flush(30.0)
        return self.path.read_bytes().splitlines(keepends=True)

    def lines(self) -> list[dict[str, Any]]:
        """Return every line written so far as an object."""
        return [json.loads(line) for line in self.raw()]

    def line(self) -> dict[str, Any]:
        """Return the only line written."""
        (line,) = self.lines()
        return line

    def dropped(self, reason: str, signal: str = "log") -> float:
        """Return how many were counted as dropped for ``reason``."""
        return self.registry.counter(TELEMETRY_DROPPED).child(signal, reason).value

    def written(self, level: str) -> float:
        """Return how many lines of ``level`` were counted as written."""
        return self.registry.counter(LOG_LINES).child(level).value
