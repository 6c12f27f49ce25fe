"""Child processes that end with their block, and with this process however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from stack.processes import end, end_with_parent

ROOT = Path(__file__).resolve().parent.parent

_STOP_TIMEOUT = 15.0


@contextmanager
def child(
    name: str, command: Sequence[str], *, log_dir: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` in the checkout within the block.

    Its output goes to ``log_dir/name.log``, its errors to ``log_dir/name.err``. It has a session of
    its own, so that a Ctrl-C reaches it only when this process decides to stop it.
    """
    log_dir.mkdir(parents=True, exist_ok=True)
    with (log_dir / f"{name}.log").open("wb") as out, (log_dir / f"{name}.err").open("wb") as err:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=end_with_parent if sys.platform == "linux" else None,
        )
    try:
        yield process
    finally:
        end(process, _STOP_TIMEOUT)


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log, for an error message."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
