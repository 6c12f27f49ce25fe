"""The calls that a request makes to other programs, for a part that shows them one by one.

Nothing watches unless such a part exists: the instrumentation adds its watcher at set-up, so that a
call costs nothing more without one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class OperationKind(StrEnum):
    """What a request calls."""

    SQL = "sql"
    REDIS = "redis"
    HTTP = "http"


class Operation(NamedTuple):
    """One call.

    Attributes:
        kind: What was called.
        name: A statement without its values, a command, or a method and a URL without its query.
        start: Start in seconds of ``time.perf_counter``.
        end: End in seconds of the same clock.
        outcome: The status of a response, or the type of the exception; empty if there is neither.
        failed: Whether the call failed.
    """

    kind: OperationKind
    name: str
    start: float
    end: float
    outcome: str = ""
    failed: bool = False


Watch = Callable[[Operation], None]
"""Accepts each finished call, on the thread and in the context that made it."""
