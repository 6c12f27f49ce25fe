"""Render the text that Prometheus reads, in small pieces so that nothing waits for the whole.

Formats: OpenMetrics 1.0.0 (prometheus.io/docs/specs/om/open_metrics_spec) and Prometheus's text
format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from etter_obs._internal.conventions import METRICS, Metric, MetricKind
from etter_obs._internal.metrics.cells import Labels, Record
from etter_obs._internal.metrics.children import exemplar_of
from etter_obs._internal.metrics.merge import add_up, combine, gather
from etter_obs._internal.metrics.registry import MetricsRegistry

_SPECIAL: Final = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
_CHUNK: Final = 4096
"""Characters of ``others`` that are yielded per step."""
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def render(registry: MetricsRegistry, *, openmetrics: bool, others: str = "") -> Iterator[str]:
    """Yield the exposition in small pieces, one label set each, after the scrape's callbacks.

    An empty piece is only an opportunity to pause.

    Args:
        registry: The registry to expose.
        openmetrics: Whether the format is OpenMetrics; else Prometheus's text format.
        others: The exposition of other sources in the same format.

    Yields:
        Pieces of the text.
    """
    registry.refresh()
    peers = registry.peers()
    for peer, _ in peers:
        for _ in peer.refresh():
            yield ""
    # All metrics, because another worker may count in one that this worker has not used yet.
    for metric in METRICS:
        name = metric.name(registry.prefix)
        bounds = registry.bounds(metric)
        head = _head(metric, name, openmetrics)
        for labels, records in gather(registry, metric, peers):
            text = _label_text(metric, labels)
            if metric.kind is MetricKind.HISTOGRAM:
                piece = _histogram(name, text, bounds, records, openmetrics)
            else:
                value = combine(metric, records)
                if value is None:
                    continue
                braced = f"{{{text}}}" if text else ""
                piece = f"{name}{braced} {_number(value)}\n"
            yield head + piece
            head = ""
    for start in range(0, len(others), _CHUNK):
        yield others[start : start + _CHUNK]
    if openmetrics:
        yield "# EOF\n"


def _head(metric: Metric, name: str, openmetrics: bool) -> str:
    kind = str(metric.kind)
    if openmetrics:
        name = name.removesuffix("_total").removesuffix("_info")
    elif metric.kind is MetricKind.INFO:
        kind = "gauge"
    help_ = metric.help.translate(_ESCAPES)
    return f"# HELP {name} {help_}\n# TYPE {name} {kind}\n"


def _histogram(
    name: str, text: str, bounds: tuple[float, ...], records: list[Record], openmetrics: bool
) -> str:
    buckets = len(bounds) + 1
    summed = add_up(records, 2 * buckets + 1)
    bucket = f'{name}_bucket{{{text}{"," if text else ""}le="'
    lines = []
    total = 0.0
    for index in range(buckets):
        total += summed[index]
        le = repr(bounds[index]) if index < len(bounds) else "+Inf"
        # The times of exemplars follow the counts and the sum.
        exemplar = (
            _exemplar(records, buckets, index)
            if openmetrics and (summed[buckets + 1 + index])
            else ""
        )
        lines.append(f'{bucket}{le}"}} {total!r}{exemplar}\n')
    braced = f"{{{text}}}" if text else ""
    lines.append(f"{name}_count{braced} {total!r}\n")
    lines.append(f"{name}_sum{braced} {_number(summed[buckets])}\n")
    return "".join(lines)


def _exemplar(records: list[Record], buckets: int, bucket: int) -> str:
    found = [found for r in records if (found := exemplar_of(r, buckets, bucket)) is not None]
    if not found:
        return ""
    at, value, trace_id = max(found)
    return f' # {{trace_id="{trace_id}"}} {value!r} {at:.3f}'


def _label_text(metric: Metric, labels: Labels) -> str:
    pairs = zip(metric.labels, labels, strict=True)
    return ",".join([f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs])


def _number(value: float) -> str:
    text = repr(value)
    return _SPECIAL.get(text, text)
