"""What the app counts with prometheus_client by itself, for the same page.

Nothing is imported for it: an app that never imported prometheus_client has nothing there.
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
    from etter_obs._internal.metrics.client_share import ClientShare

T = TypeVar("T")

_END: Final = "# EOF\n"
_METRICS: Final = "prometheus_client.metrics"
_PARTS: Final = ("_get_metric", "_name", "_samples")
"""What :func:`_unlisted` needs of a metric; a release to come may have it no more."""
_WORK_SECONDS: Final = 0.001
_PAUSE_SECONDS: Final = 0.0001


def client_text(
    prefix: str, folder: Path | None, share: ClientShare | None, *, openmetrics: bool
) -> str:
    """Return the exposition of prometheus_client's default registry, without an end mark.

    It is made for a thread beside the event loop, and lets the loop run every millisecond.
    Families that have a name of ours are left out: the guide's metrics, still declared somewhere,
    must not make the page invalid.

    Args:
        prefix: of our metrics.
        folder: where prometheus_client's own multi-process files are, if it keeps any.
        share: what the service's workers have, where there are several.
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
    """Yield what all workers have as prometheus_client's families."""
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
    """A registry of families without those of some names; their samples come with pauses."""

    def __init__(self, found: Iterable[Any], names: set[str]) -> None:
        self._found = found
        self._names = names

    def collect(self) -> Iterator[Any]:
        for family in self._found:
            if family.name not in self._names:
                shown = copy.copy(family)  # a collector may return the same one each time
                shown.samples = with_pauses(family.samples)
                yield shown


def families(registry: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each collector, None where it is not known, with each of its families.

    That is what the registry's own ``collect`` does, but without a list of a family's samples.
    That list is made in one go, without a pause, and its thousands of objects set the garbage
    collector off, which stops every thread. There is no public way around it.
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
    """Return the family of one of prometheus_client's metrics with an iterator of its samples."""
    family, name, samples = metric._get_metric(), metric._name, metric._samples()
    family.samples = (sample._replace(name=name + sample.name) for sample in samples)
    return family


def with_pauses(items: Iterable[T]) -> Iterator[T]:
    """Yield ``items``, giving up the interpreter's lock every millisecond.

    A thread that wants the lock asks for it only after five, which a busy thread can count on.
    """
    until = time.perf_counter() + _WORK_SECONDS
    for item in items:
        yield item
        if time.perf_counter() > until:
            time.sleep(_PAUSE_SECONDS)  # not 0: this thread would take the lock again at once
            until = time.perf_counter() + _WORK_SECONDS
