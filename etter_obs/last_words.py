"""How a process ends that was started with bad input: what is wrong, exit code 2, no traceback."""

from __future__ import annotations

import sys
from types import TracebackType


def end_without_traceback(error: Exception) -> None:
    """Have the process say no more than ``error`` and exit with 2, if nobody catches it.

    Where somebody does (gunicorn, which would start a worker that exits again and again; a test; a
    shell in which people try things), and for every other exception, all stays as it was.
    """
    if hasattr(sys, "ps1"):
        return
    before = sys.excepthook

    def hook(kind: type[BaseException], raised: BaseException, where: TracebackType | None) -> None:
        if raised is not error:
            before(kind, raised, where)
            return
        sys.stderr.write(f"etter-obs: {error}\n")
        raise SystemExit(2)

    sys.excepthook = hook
