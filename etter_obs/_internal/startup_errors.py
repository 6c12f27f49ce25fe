"""End a process that was started with bad input: print the error, exit with 2, no traceback."""

from __future__ import annotations

import sys
import weakref
from types import TracebackType
from typing import Final

_REFUSED: Final = "_etter_obs_refused"
"""The hook's attribute with the known errors; one hook serves all of them."""


def end_without_traceback(error: Exception) -> None:
    """Make the process print only ``error`` and exit with 2 if nothing catches it.

    Nothing changes for other exceptions, and nothing changes if the error is caught: by gunicorn,
    which would restart a worker that exits again and again, by a test, or in an interactive shell.
    """
    if hasattr(sys, "ps1"):
        return
    before = sys.excepthook
    known = getattr(before, _REFUSED, None)
    if known is not None:
        known.add(error)
        return
    refused = weakref.WeakSet((error,))

    def hook(kind: type[BaseException], raised: BaseException, where: TracebackType | None) -> None:
        if raised not in refused:
            before(kind, raised, where)
            return
        sys.stderr.write(f"etter-obs: {raised}\n")
        raise SystemExit(2)

    setattr(hook, _REFUSED, refused)
    sys.excepthook = hook
