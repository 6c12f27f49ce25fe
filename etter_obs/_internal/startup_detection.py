"""Detect when an app has started if no server reports it.

Set-up inside the lifespan runs after the lifespan's first message, and a server may send none at
all. The frames of the interpreter show both: whether the start still runs, and whether the event
loop does.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, Final

from starlette.routing import Router

_NEXT: Final = ("cr_await", "gi_yieldfrom", "ag_await")
_FRAMES: Final = ("cr_frame", "gi_frame", "ag_frame")
_POLL_INTERVAL: Final = 0.05
_MAX_POLL_INTERVAL: Final = 1.0


def call_when_started(router: Router, call: Callable[[], object]) -> None:
    """Call ``call`` in the running loop once the lifespan that runs the caller has started.

    If no lifespan runs the caller, call it at once.

    Raises:
        RuntimeError: No event loop is running.
    """
    loop = asyncio.get_running_loop()
    step = _step_of(type(router).lifespan.__code__)
    task = asyncio.current_task()
    if step is None or task is None:
        call()
        return

    def look() -> None:
        if not task.done() and step in _frames_of(task.get_coro()):
            loop.call_later(_POLL_INTERVAL, look)
        else:
            call()

    loop.call_soon(look)


def call_in_main_loop(call: Callable[[], object]) -> Callable[[], None]:
    """Call ``call`` in the event loop of the main thread once it runs; return the undo.

    No hook reports a loop that a server will run. A thread therefore polls for it, at least once a
    second.
    """
    over = threading.Event()

    def look() -> None:
        pause = _POLL_INTERVAL
        while not over.wait(pause):
            loop = _loop_of(threading.main_thread().ident)
            if loop is not None:
                loop.call_soon_threadsafe(call)
                return
            pause = min(pause * 1.5, _MAX_POLL_INTERVAL)

    threading.Thread(target=look, name="etter-obs-start", daemon=True).start()
    return over.set


def _step_of(lifespan: CodeType) -> FrameType | None:
    """Return the frame that the router's lifespan awaits during its start, from this stack."""
    below: FrameType | None = None
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is lifespan:
            return below
        below, frame = frame, frame.f_back
    return None


def _frames_of(awaited: Any) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine and of everything it awaits, outermost first."""
    while awaited is not None:
        yield from filter(None, (getattr(awaited, name, None) for name in _FRAMES))
        awaited = next(filter(None, (getattr(awaited, name, None) for name in _NEXT)), None)


def _loop_of(thread: int | None) -> asyncio.AbstractEventLoop | None:
    """Return the event loop that a thread runs; None if no running loop is visible.

    asyncio hides the loop from other threads. The frames that run a loop hold it or its runner.
    """
    frame = sys._current_frames().get(thread or 0)
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if isinstance(value, asyncio.Runner):
                value = getattr(value, "_loop", None)  # get_loop() would create one
            if isinstance(value, asyncio.AbstractEventLoop) and value.is_running():
                return value
        frame = frame.f_back
    return None
