"""What the app counts with prometheus_client by itself, for the same page.

Nothing is imported for it: an app that never imported prometheus_client has nothing there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from etter_obs.conventions import METRICS

_END: Final = "# EOF\n"


def foreign_text(prefix: str, folder: Path | None, *, openmetrics: bool) -> str:
    """Return the exposition of prometheus_client's default registry, without an end mark.

    Families that have a name of ours are left out: the guide's metrics, still declared somewhere,
    must not make the page invalid.

    Args:
        prefix: of our metrics.
        folder: where prometheus_client's own multi-process files are, if it keeps any.
        openmetrics: the format; else Prometheus's text format.
    """
    client = sys.modules.get("prometheus_client")
    if client is None:
        return ""
    registry: Any = client.REGISTRY
    if folder is not None and client.values.ValueClass._multiprocess:
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = client.CollectorRegistry()
        MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    ours = {metric.name(prefix).removesuffix("_total").removesuffix("_info") for metric in METRICS}
    if openmetrics:
        from prometheus_client.openmetrics.exposition import generate_latest
    else:
        from prometheus_client.exposition import generate_latest  # type: ignore[assignment]
    text: str = generate_latest(_Without(registry, ours)).decode("utf-8")  # type: ignore[no-untyped-call]
    return text.removesuffix(_END)


class _Without:
    def __init__(self, registry: Any, names: set[str]) -> None:
        self._registry = registry
        self._names = names

    def collect(self) -> Iterator[Any]:
        for family in self._registry.collect():
            if family.name not in self._names:
                yield family
