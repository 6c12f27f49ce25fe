"""Find the code that logs through structlog."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

from structlog import contextvars as structlog_contextvars

_calling_stack: Final = getattr(structlog_contextvars, "_ASYNC_CALLING_STACK", None)
_SKIPPED: Final = ("structlog", __name__.partition(".")[0])


def caller() -> tuple[FrameType, str]:
    """Return the frame that logs, outside structlog and this package, and its module's name."""
    frame = sys._getframe(1)
    if _calling_stack is not None:
        frame = _calling_stack.get(
            frame
        )  # ainfo() logs in another thread; this is the frame that awaits it
    module = frame.f_globals.get("__name__", "?")
    while module.partition(".")[0] in _SKIPPED and frame.f_back is not None:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "?")
    return frame, module
