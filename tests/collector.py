"""The real OpenTelemetry collector on loopback, with this project's configuration and more."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.build import binary
from stack.layout import CHECKOUT, Ports, environment
from stack.processes import answers
from tests.waiting import eventually


@contextmanager
def collector(
    run_dir: Path,
    *configs: Path,
    ports: Ports | None = None,
    **variables: str,
) -> Iterator[Ports]:
    """Run it with ``config.yaml``, ``to-file.yaml`` and ``configs``; what a later one says wins.

    ``variables`` are those that the configuration reads from the environment. Traces go to
    ``data/traces.jsonl`` in ``run_dir``; when the block ends they are all there.
    """
    ports = ports or Ports.free()
    (run_dir / "data").mkdir(exist_ok=True)
    files = [CHECKOUT / "otel-collector" / name for name in ("config.yaml", "to-file.yaml")]
    with (run_dir / "log").open("w") as log:
        process = subprocess.Popen(
            [binary("otelcol"), *(f"--config={path}" for path in (*files, *configs))],
            cwd=CHECKOUT,
            env={**environment(run_dir, ports, {}), **variables},
            stdout=log,
            stderr=log,
        )
    try:
        health = f"http://127.0.0.1:{ports.collector_health}"
        eventually(lambda: answers(health), deadline_s=30, tell=(run_dir / "log").read_text)
        yield ports
    finally:
        process.terminate()
        process.wait(timeout=30)
