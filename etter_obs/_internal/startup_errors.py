"""How a process ends that was started with bad input: what is wrong, exit code 2, no traceback."""

from __future__ import annotations

import sys
import weakref
from types import TracebackType
from typing import Final

_REFUSED: Final = "_etter_obs_refused"
"""The hook's attribute with the errors that it knows: one hook is enough for all."""


def end_without_traceback(error: Exception) -> None:
    """Have the process say no more than ``error`` and exit with 2, if nobody catches it.

    Where somebody does (gunicorn, which would start a worker that exits again and again; a test; a
    shell in which people try things), and for every other exception, all stays as it was.
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
