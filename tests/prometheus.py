"""A real Prometheus on loopback for a test, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etter_obs._internal.slo.prometheus.api import Prometheus
from stack.build import binary
from stack.processes import Program, running
from tests.services import free_port


@contextmanager
def on_loopback(
    folder: Path, config: str, *options: str, data: Path | None = None
) -> Iterator[str]:
    """Run a Prometheus with this configuration within the block, and yield its URL.

    Its data is ``data``, by default a folder in ``folder``, as its configuration and its log.
    """
    url = f"http://127.0.0.1:{free_port()}"
    file = folder / "prometheus.yml"
    file.write_text(config, encoding="utf-8")
    program = Program(
        "prometheus",
        [
            binary("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={data or folder / 'data'}",
            f"--web.listen-address={url.removeprefix('http://')}",
            *options,
        ],
        f"{url}/-/ready",
        folder / "prometheus.log",
    )
    with running(program):
        yield url


def value_of(prometheus: Prometheus, expression: str) -> float | None:
    """Return the value of an instant query now, None if there is none."""
    found = prometheus.instant(expression, time.time())
    return found[0].last if found else None
