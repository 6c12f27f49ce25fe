"""The state of the run time: event loop, threads, pools, caches, process, the telemetry itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from etter_obs._internal import conventions as names
from etter_obs._internal.conventions import Metric, MetricKind

if TYPE_CHECKING:
    from etter_obs._internal.console.readings import MergedReadings

_GROUPS: Final[dict[str, tuple[Metric, ...]]] = {
    "Event loop and threads": (
        names.EVENT_LOOP_LAG,
        names.ACTIVE_REQUESTS,
        names.WEBSOCKETS_ACTIVE,
        names.THREADPOOL_IN_USE,
        names.THREADPOOL_LIMIT,
        names.THREADPOOL_WAITING,
    ),
    "Database": (
        names.DB_POOL_IN_USE,
        names.DB_POOL_LIMIT,
        names.DB_POOL_UTILISATION,
        names.DB_POOL_WAIT,
        names.DB_POOL_TIMEOUTS,
        names.DB_CONNECTIONS,
        names.DB_QUERY_DURATION,
        names.DB_QUERY_ERRORS,
        names.DB_N_PLUS_ONE,
    ),
    "Cache and Redis": (
        names.CACHE_HITS,
        names.CACHE_MISSES,
        names.CACHE_NOT_KEPT,
        names.CACHE_EVICTED,
        names.CACHE_MEMORY,
        names.REDIS_COMMAND_DURATION,
        names.REDIS_ERRORS,
    ),
    "Outgoing HTTP": (names.CLIENT_DURATION, names.CLIENT_ERRORS),
    "Process": (
        names.WORKERS,
        names.WORKERS_APART,
        names.PROCESS_CPU,
        names.PROCESS_MEMORY,
        names.PROCESS_FDS,
        names.PROCESS_MAX_FDS,
        names.PROCESS_THREADS,
        names.GC_PAUSE,
        names.BUILD_INFO,
    ),
    "Telemetry": (
        names.LOG_LINES,
        names.LOG_QUEUE,
        names.TELEMETRY_DROPPED,
        names.SERIES_DROPPED,
    ),
}
_MOST_ROWS: Final = 40
"""Label sets of one metric that are shown."""


def describe_runtime(readings: MergedReadings) -> list[dict[str, Any]]:
    """Return the groups of metrics as the page shows them; a metric without values is absent."""
    groups = []
    for title, metrics in _GROUPS.items():
        rows = [row for metric in metrics for row in _rows(metric, readings)[:_MOST_ROWS]]
        if rows:
            groups.append({"title": title, "rows": rows})
    return groups


def _rows(metric: Metric, readings: MergedReadings) -> list[dict[str, Any]]:
    common = {"name": metric.suffix, "help": metric.help, "kind": metric.kind.value}
    if metric.kind is MetricKind.HISTOGRAM:
        return [
            common
            | {
                "labels": labels,
                "value": found.total,
                "mean": found.mean,
                "p99": found.quantile(0.99),
            }
            for labels, found in readings.distributions(metric)
            if found.total
        ]
    return [
        common | {"labels": labels, "value": value} for labels, value in readings.values(metric)
    ]
