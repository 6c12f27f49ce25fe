"""`etter-obs view` as a process of its own, for tests and pictures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def viewing(
    project: Path,
    *,
    program: Sequence[str | Path] = (sys.executable, "-m", "etter_obs"),
    **sources: str,
) -> Iterator[str]:
    """Run the viewer on a free port and yield the link that it printed.

    Args:
        project: Folder with slo.yaml and the dashboards.
        program: What ``etter-obs`` is.
        sources: Options by name: ``prometheus``, ``loki``, ``traces``.

    Raises:
        RuntimeError: It ended instead; its message is on standard error.
    """
    command = [*program, "view", "--port=0", f"--dir={project}"]
    command += [f"--{name}={value}" for name, value in sources.items()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        try:
            _, found, link = process.stdout.readline().strip().partition(": ")
            if not found:
                raise RuntimeError("etter-obs view ended at its start")
            yield link
        finally:
            process.terminate()
