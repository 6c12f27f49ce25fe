"""A real Prometheus on loopback for a test, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etter_obs._internal.slo.prometheus.api import Prometheus
from stack.engines import prometheus, url_of
from stack.layout import free_ports
from stack.processes import running


@contextmanager
def on_loopback(
    folder: Path, config: str, *options: str, data: Path | None = None
) -> Iterator[str]:
    """Run a Prometheus with this configuration within the block, and yield its URL.

    Its data is ``data``, by default a folder in ``folder``, as its configuration and its log.
    """
    url = url_of(free_ports())
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    with running(prometheus(folder, url, *options, data=data)):
        yield url


def value_of(server: Prometheus, expression: str) -> float | None:
    """Return the value of an instant query now, None if there is none."""
    found = server.instant(expression, time.time())
    return found[0].last if found else None
