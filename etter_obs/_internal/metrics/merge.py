"""The values of a service: this worker's records and those of the others, combined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etter_obs._internal.conventions import Metric, MetricKind
from etter_obs._internal.metrics.cells import Labels, Peer, Record
from etter_obs._internal.metrics.registry import MetricsRegistry


def gather(
    registry: MetricsRegistry, metric: Metric, peers: Sequence[tuple[Peer, bool]]
) -> Iterator[tuple[Labels, list[Record]]]:
    """Yield every label set of a metric with the records that count for it."""
    live_only = metric.kind in (MetricKind.GAUGE, MetricKind.INFO)
    sources = [registry.cells.records.get(metric.suffix, {})]
    sources += [
        peer.records.get(metric.suffix, {}) for peer, alive in peers if alive or not live_only
    ]
    if len(sources) == 1:
        for labels, record in tuple(sources[0].items()):
            yield labels, [record]
        return
    every = dict.fromkeys(labels for source in sources for labels in tuple(source))
    for labels in every:
        yield labels, [source[labels] for source in sources if labels in source]


def combine(metric: Metric, records: list[Record]) -> float | None:
    """Return the combined value of the workers; None if none has been set."""
    if metric.across == "latest":
        when, value = max((record[1], record[0]) for record in records)
        return value if when else None
    if metric.kind is MetricKind.COUNTER:
        return sum([record[0] for record in records])
    values = [record[0] for record in records if record[1]]
    if not values:
        return None
    if metric.across == "sum":
        return sum(values)
    return max(values) if metric.across == "max" else min(values)


def add_up(records: list[Record], size: int) -> Sequence[float]:
    """Return the sums of the first ``size`` numbers of histograms' records."""
    rows = [record[:size].tolist() for record in records]
    if len(rows) == 1:
        return rows[0]
    return [float(sum(column)) for column in zip(*rows, strict=True)]
