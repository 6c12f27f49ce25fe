"""Time ranges as people write them: ``now-2h/1h``, ``2026-01-31T09:00/2026-01-31T10:00``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from etter_obs._internal.text.units import parse_duration

_HINT: Final = "write START/END or START/DURATION, such as now-2h/1h or 2026-01-31T09:00/30m"
_AGO: Final = re.compile(r"^now(?:-(?P<ago>.+))?$")


class TimeRange(NamedTuple):
    """A stretch of time, in Unix seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def __str__(self) -> str:
        return " to ".join(
            datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in self
        )


def parse_time_range(text: str, now: float) -> TimeRange:
    """Read a time range. A moment without an offset is UTC.

    Args:
        text: ``START/END`` or ``START/DURATION``; a moment is ISO 8601, ``now`` or ``now-2h``.
        now: Unix time in seconds.

    Raises:
        ValueError: it is none, it ends before it starts, or it ends in the future.
    """
    first, slash, second = text.partition("/")
    if not (slash and first and second):
        raise ValueError(f"{text!r} is not a time range; {_HINT}")
    start = _moment(first, now)
    end = _end(second, start, now)
    if end <= start:
        raise ValueError(f"{text!r} ends before it starts; {_HINT}")
    if end > now + 1:
        raise ValueError(f"{text!r} ends in the future; let it end at now or before")
    return TimeRange(start, end)


def _end(text: str, start: float, now: float) -> float:
    try:
        return start + float(parse_duration(text))
    except ValueError:
        return _moment(text, now)


def _moment(text: str, now: float) -> float:
    if match := _AGO.match(text):
        return now - (float(parse_duration(match["ago"])) if match["ago"] else 0.0)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a moment; {_HINT}") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
