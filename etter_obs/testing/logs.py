"""Records the log lines of a test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from typing import Any, Final

from etter_obs._internal.conventions import log_fields
from etter_obs._internal.logs import LogPipeline, line_watchers
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings

_FLUSH_TIMEOUT: Final = 5.0
_ERRORS: Final = ("ERROR", "CRITICAL")


class LogRecorder:
    """The log lines of one test, oldest first, parsed from JSON."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def record(self, line: bytes) -> None:
        """Keep a line; the writer calls this."""
        self._lines.append(line)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return all lines logged so far."""
        line_watchers.flush(_FLUSH_TIMEOUT)
        return [json.loads(line) for line in list(self._lines)]

    def where(self, **fields: Any) -> list[dict[str, Any]]:
        """Return the lines that have all of ``fields``, such as ``where(level="ERROR")``."""
        return [line for line in self.lines if _has(line, fields)]

    def assert_logged(self, message: str | None = None, **fields: Any) -> dict[str, Any]:
        """Assert that a line has ``message`` (if given) and ``fields``; return the first one.

        Args:
            message: the line's message.
            fields: names and values of fields of the line.

        Returns:
            The first matching line.

        Raises:
            AssertionError: no line matches; the text contains all lines.
        """
        __tracebackhide__ = True
        wanted = fields if message is None else {log_fields.MESSAGE: message, **fields}
        found = self.where(**wanted)
        if not found:
            raise AssertionError(f"no line has {wanted}; the lines are:\n{self._shown()}")
        return found[0]

    def assert_not_logged(self, message: str | None = None, **fields: Any) -> None:
        """Assert that no line has ``message`` (if given) and ``fields``.

        Raises:
            AssertionError: a line matches; the text contains the first one.
        """
        __tracebackhide__ = True
        wanted = fields if message is None else {log_fields.MESSAGE: message, **fields}
        found = self.where(**wanted)
        if found:
            raise AssertionError(f"{len(found)} lines have {wanted}; the first is {found[0]}")

    def assert_no_errors(self) -> None:
        """Assert that nothing was logged at ERROR or above.

        Raises:
            AssertionError: such a line exists; the text contains it.
        """
        __tracebackhide__ = True
        for level in _ERRORS:
            self.assert_not_logged(level=level)

    def _shown(self) -> str:
        return "\n".join(json.dumps(line) for line in self.lines) or "(no lines)"


def _has(line: dict[str, Any], fields: dict[str, Any]) -> bool:
    return all(name in line and line[name] == value for name, value in fields.items())


@contextmanager
def recording_logs() -> Iterator[LogRecorder]:
    """Record the lines of every pipeline; create a pipeline if the process has none."""
    recorder = LogRecorder()
    with ExitStack() as undo:
        undo.callback(line_watchers.watch(recorder.record))
        if not line_watchers.living:
            registry = MetricsRegistry("etter")
            undo.callback(registry.close)
            settings = Settings(log_level="DEBUG")
            pipeline = LogPipeline(settings, "test", "test", registry, StringIO())
            undo.callback(pipeline.close, _FLUSH_TIMEOUT)
            pipeline.install()
        yield recorder
