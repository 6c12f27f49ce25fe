"""The app of the drills: each request is one line of its own, one access line and one span.

``CLOCK_OFFSET_S`` sets its clock ahead (or behind, if negative) of the stack's.
"""

from __future__ import annotations

import os
import time

_offset_ns = int(float(os.environ.get("CLOCK_OFFSET_S", "0")) * 1e9)
if _offset_ns:  # before any import that keeps a reference to the clock
    import types

    import grpc._channel

    # Its deadlines are moments of a clock that it reads itself, which is the machine's.
    grpc._channel.time = types.SimpleNamespace(**vars(time))
    _true_ns = time.time_ns

    def _shifted_ns() -> int:
        return _true_ns() + _offset_ns

    def _shifted() -> float:
        return _shifted_ns() / 1e9

    time.time_ns, time.time = _shifted_ns, _shifted

from fastapi import FastAPI, HTTPException  # noqa: E402

from etter_obs import get_logger, setup_observability  # noqa: E402

app = FastAPI()
setup_observability(app)
log = get_logger("drill")


@app.get("/things/{number}")
async def thing(number: int, status: int = 200) -> int:
    """Log the number; answer with the status that the caller asks for."""
    log.info("thing read", number=number)
    if status != 200:
        raise HTTPException(status)
    return number
