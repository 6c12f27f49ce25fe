"""Expose on the same page what the app counts with prometheus_client.

This module imports nothing for it: an app that never imported prometheus_client has no such
metrics.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from etter_obs._internal.conventions import METRICS

if TYPE_CHECKING:
    from etter_obs._internal.metrics.prometheus_client_share import ClientShare

T = TypeVar("T")

_END: Final = "# EOF\n"
_METRICS: Final = "prometheus_client.metrics"
_PARTS: Final = ("_get_metric", "_name", "_samples")
"""Attributes of a metric that ``_unlisted`` requires; a future release may lack them."""
_WORK_SLICE: Final = 0.001
_PAUSE: Final = 0.0001


def client_text(
    prefix: str, folder: Path | None, share: ClientShare | None, *, openmetrics: bool
) -> str:
    """Return the exposition of prometheus_client's default registry, without an end mark.

    It runs on a thread beside the event loop, and lets the loop run every millisecond. Families
    with a name of ours are skipped: metrics that the app still declares under these names must not
    make the page invalid.

    Args:
        prefix: Prefix of our metrics.
        folder: Folder of prometheus_client's own multi-process files, if it has one.
        share: The metrics of all workers, if there are several.
        openmetrics: Whether the format is OpenMetrics; else Prometheus's text format.

    Returns:
        The text; empty if the app does not use prometheus_client.
    """
    client = sys.modules.get("prometheus_client")
    if client is None:
        return ""
    registry: Any = client.REGISTRY
    if folder is not None and client.values.ValueClass._multiprocess:
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = client.CollectorRegistry()
        MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    shared = share is not None and share.is_used
    found = _of_all_workers(share) if share and shared else (f for _, f in families(registry))
    ours = {metric.name(prefix).removesuffix("_total").removesuffix("_info") for metric in METRICS}
    if openmetrics:
        from prometheus_client.openmetrics.exposition import generate_latest
    else:
        from prometheus_client.exposition import generate_latest  # type: ignore[assignment]
    text: str = generate_latest(_Without(found, ours)).decode("utf-8")  # type: ignore[no-untyped-call]
    return text.removesuffix(_END)


def _of_all_workers(share: ClientShare) -> Iterator[Any]:
    """Yield the metrics of all workers as families of prometheus_client."""
    from prometheus_client.core import Exemplar, Metric, Sample

    for family in share.families().values():
        shown = Metric(family.name, family.documentation, family.type)
        shown.unit = family.unit
        shown.samples = (  # type: ignore[assignment]
            Sample(name, dict(labels), value, None, Exemplar(*mark) if mark else None)
            for (name, labels), (value, mark) in family.samples.items()
        )
        yield shown


class _Without:
    """A registry of families except those with certain names; their samples come with pauses."""

    def __init__(self, found: Iterable[Any], names: set[str]) -> None:
        self._found = found
        self._names = names

    def collect(self) -> Iterator[Any]:
        for family in self._found:
            if family.name not in self._names:
                shown = copy.copy(family)  # a collector may return the same family each time
                shown.samples = with_pauses(family.samples)
                yield shown


def families(registry: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each collector (None if unknown) with each of its families.

    This is what the registry's own ``collect`` does, but without a list of all samples of a family.
    Creating that list takes one step without a pause, and its thousands of objects trigger the
    garbage collector, which stops every thread. There is no public way to avoid it.
    """
    collectors = getattr(registry, "_collector_to_names", None)
    if collectors is None or registry.get_target_info():
        yield from ((None, family) for family in registry.collect())
        return
    for collector in tuple(collectors):
        known = type(collector).__module__ == _METRICS
        if known and all(hasattr(collector, part) for part in _PARTS):
            yield collector, _unlisted(collector)
        else:
            yield from ((collector, family) for family in collector.collect())


def _unlisted(metric: Any) -> Any:
    """Return the family of a prometheus_client metric, with an iterator over its samples."""
    family, name, samples = metric._get_metric(), metric._name, metric._samples()
    family.samples = (sample._replace(name=name + sample.name) for sample in samples)
    return family


def with_pauses(items: Iterable[T]) -> Iterator[T]:
    """Yield ``items``, releasing the interpreter lock every millisecond.

    Otherwise a waiting thread gets the lock only after the switch interval of five milliseconds.
    """
    until = time.perf_counter() + _WORK_SLICE
    for item in items:
        yield item
        if time.perf_counter() > until:
            time.sleep(_PAUSE)  # not 0: this thread would take the lock again at once
            until = time.perf_counter() + _WORK_SLICE
