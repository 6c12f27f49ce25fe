"""Metrics of the runtime: event loop, threads, garbage collector, process, versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from etter_obs._internal.conventions import BUILD_INFO
from etter_obs._internal.runtime.event_loop import Loops
from etter_obs._internal.runtime.garbage_collection import watch_collector
from etter_obs._internal.runtime.process import watch_process

if TYPE_CHECKING:
    from etter_obs._internal.metrics.registry import MetricsRegistry

__all__ = ["Runtime", "instrument_runtime"]


class Runtime:
    """Measures the runtime until it is closed. It starts no thread."""

    def __init__(self, registry: MetricsRegistry, service_version: str | None) -> None:
        self._loops = Loops(registry)
        self._undos = [watch_process(registry), watch_collector(registry), self._loops.close]
        registry.info(BUILD_INFO).child(
            service_version or "unknown", platform.python_version(), _version_of("fastapi")
        ).set(1)

    def watch_loop(self) -> None:
        """Measure the running event loop and its thread pool; a repeated call does nothing.

        Raises:
            RuntimeError: no event loop is running.
        """
        self._loops.watch()

    def close(self) -> None:
        """Stop measuring; a second call does nothing."""
        while self._undos:
            self._undos.pop()()


def instrument_runtime(registry: MetricsRegistry, service_version: str | None = None) -> Runtime:
    """Measure this process.

    Args:
        registry: accepts the metrics.
        service_version: the app's version, for ``build_info``.

    Returns:
        The measurement, which ``close()`` ends.
    """
    return Runtime(registry, service_version)


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
