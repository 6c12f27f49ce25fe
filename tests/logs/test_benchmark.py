"""The benchmark of log lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_benchmark_measures_every_set_up() -> None:
    """A short run ends well and shows a row of figures for each of the six set-ups."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.logging", "--lines", "1000", "--rounds", "1"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    rows = [line for line in done.stdout.splitlines() if line.startswith("│")]
    assert len(rows) == 6
    assert all(any(char.isdigit() for char in row) for row in rows)
