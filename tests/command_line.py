"""``etter-obs`` as a user runs it: in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run ``etter-obs`` and return its exit code and everything it said, no traceback ever."""
    done = subprocess.run(
        [sys.executable, "-m", "etter_obs", *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return done.returncode, said
