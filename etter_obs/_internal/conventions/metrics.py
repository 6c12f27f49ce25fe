"""Every metric of the instrumented app: its name, type, labels and help text.

Names follow the OpenMetrics conventions: base units, ``_total`` for counters, the unit as suffix.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from etter_obs._internal.conventions.labels import Label

Across = Literal["sum", "max", "min", "latest"]


class MetricKind(StrEnum):
    """The OpenMetrics types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the instrumented app.

    ``suffix`` follows the spec's prefix and an underscore: with the prefix ``etter``, the suffix
    ``requests_total`` is exposed as ``etter_requests_total``.

    ``across`` is how the values of several workers are combined. Counters and histograms are
    summed. If every worker reads the same total from a shared server, ``across`` is ``latest``, the
    value that was set last. For gauges, only living workers count.
    """

    suffix: str
    kind: MetricKind
    labels: tuple[str, ...]
    help: str
    across: Across = "sum"

    def name(self, prefix: str) -> str:
        """Return the exposed name, for example ``etter_requests_total``."""
        return f"{prefix}_{self.suffix}"

    def series_names(self, prefix: str) -> tuple[str, ...]:
        """Return the names of the series that the metric is exposed as."""
        name = self.name(prefix)
        if self.kind is MetricKind.HISTOGRAM:
            return (f"{name}_bucket", f"{name}_count", f"{name}_sum")
        return (name,)


def _counter(suffix: str, help_: str, *labels: str, across: Across = "sum") -> Metric:
    return Metric(suffix, MetricKind.COUNTER, labels, help_, across)


def _gauge(suffix: str, help_: str, *labels: str, across: Across = "sum") -> Metric:
    return Metric(suffix, MetricKind.GAUGE, labels, help_, across)


def _histogram(suffix: str, help_: str, *labels: str) -> Metric:
    return Metric(suffix, MetricKind.HISTOGRAM, labels, help_)


# -- the basic six: requests, database and cache --------------------------------------------------
REQUESTS: Final = _counter(
    "requests_total", "Requests answered.", Label.METHOD, Label.ENDPOINT, Label.STATUS
)
REQUEST_DURATION: Final = _histogram(
    "request_duration_seconds",
    "Time from the request's arrival to the last byte of its response.",
    Label.METHOD,
    Label.ENDPOINT,
    Label.STATUS_CLASS,
)
ACTIVE_REQUESTS: Final = _gauge("active_requests", "Requests in flight.")
DB_QUERY_DURATION: Final = _histogram(
    "db_query_duration_seconds", "Duration of a database statement.", Label.QUERY_TYPE
)
CACHE_HITS: Final = _counter("cache_hits_total", "Lookups that a cache answered.", Label.CACHE_KEY)
CACHE_MISSES: Final = _counter(
    "cache_misses_total", "Lookups that a cache did not answer.", Label.CACHE_KEY
)

# -- requests -------------------------------------------------------------------------------------
REQUEST_TTFB: Final = _histogram(
    "request_first_byte_seconds",
    "Time from the request's arrival to the first byte of its response's body.",
    Label.METHOD,
    Label.ENDPOINT,
)
REQUEST_SIZE: Final = _histogram(
    "request_size_bytes", "Size of a request's body as received.", Label.METHOD, Label.ENDPOINT
)
RESPONSE_SIZE: Final = _histogram(
    "response_size_bytes", "Size of a response's body as sent.", Label.METHOD, Label.ENDPOINT
)
EXCEPTIONS: Final = _counter(
    "exceptions_total",
    "Unhandled exceptions of the app.",
    Label.ENDPOINT,
    Label.EXCEPTION,
)
WEBSOCKETS_ACTIVE: Final = _gauge("websockets_active", "Open WebSocket connections.")
WEBSOCKET_DURATION: Final = _histogram(
    "websocket_duration_seconds", "Duration of a WebSocket connection.", Label.ENDPOINT
)
WEBSOCKET_MESSAGES: Final = _counter(
    "websocket_messages_total", "WebSocket messages received and sent.", Label.ENDPOINT
)

# -- decorators -----------------------------------------------------------------------------------
FUNCTION_CALLS: Final = _counter(
    "function_calls_total", "Calls of a decorated function.", Label.FUNCTION
)
FUNCTION_DURATION: Final = _histogram(
    "function_duration_seconds",
    "Duration of a call of a decorated function, awaits included.",
    Label.FUNCTION,
)
FUNCTION_EXCEPTIONS: Final = _counter(
    "function_exceptions_total",
    "Exceptions raised by a decorated function.",
    Label.FUNCTION,
    Label.EXCEPTION,
)

# -- database -------------------------------------------------------------------------------------
DB_QUERY_ERRORS: Final = _counter(
    "db_query_errors_total", "Database statements that failed.", Label.QUERY_TYPE
)
DB_ROWS: Final = _counter(
    "db_rows_total", "Rows read or changed, as reported by statements.", Label.QUERY_TYPE
)
DB_POOL_SIZE: Final = _gauge("db_pool_size", "Connections that the pool keeps.", Label.POOL)
DB_POOL_LIMIT: Final = _gauge(
    "db_pool_limit", "Connections that the pool may open (size + overflow).", Label.POOL
)
DB_POOL_IN_USE: Final = _gauge("db_pool_in_use", "Connections checked out.", Label.POOL)
DB_POOL_OVERFLOW: Final = _gauge(
    "db_pool_overflow", "Connections open beyond the pool's size.", Label.POOL
)
DB_POOL_UTILISATION: Final = _gauge(
    "db_pool_utilisation_ratio", "Checked out / (size + overflow).", Label.POOL, across="max"
)
DB_POOL_WAIT: Final = _histogram(
    "db_pool_wait_seconds", "Time a caller waited for a connection.", Label.POOL
)
DB_POOL_TIMEOUTS: Final = _counter(
    "db_pool_timeouts_total", "Callers that timed out waiting for a connection.", Label.POOL
)
DB_CONNECTIONS: Final = _gauge(
    "db_connections_active",
    "Active connections: pg_stat_activity on PostgreSQL, connections checked out elsewhere.",
    across="latest",
)
DB_QUERIES_PER_REQUEST: Final = _histogram(
    "db_queries_per_request", "Statements that one request ran.", Label.ENDPOINT
)
DB_TIME_PER_REQUEST: Final = _histogram(
    "db_time_per_request_seconds",
    "Duration of all database statements of one request, added up.",
    Label.ENDPOINT,
)
DB_N_PLUS_ONE: Final = _counter(
    "db_n_plus_one_total",
    "Requests that ran one statement many times.",
    Label.ENDPOINT,
)

# -- cache ----------------------------------------------------------------------------------------
REDIS_COMMAND_DURATION: Final = _histogram(
    "redis_command_duration_seconds", "Duration of a Redis command.", Label.COMMAND
)
REDIS_ERRORS: Final = _counter(
    "redis_command_errors_total", "Redis commands that failed.", Label.COMMAND
)
CACHE_NOT_KEPT: Final = _counter(
    "cache_not_kept_total",
    "Results of cached functions that were not kept.",
    Label.CACHE_KEY,
    Label.REASON,
)
CACHE_EVICTED: Final = _counter(
    "cache_evicted_keys_total", "Keys that Redis evicted (INFO evicted_keys).", across="latest"
)
CACHE_WRITES: Final = _counter(
    "cache_writes_total", "Write commands that Redis ran (INFO commandstats).", across="latest"
)
CACHE_MEMORY: Final = _gauge(
    "cache_memory_bytes", "Memory that Redis uses (INFO used_memory).", across="latest"
)

# -- outgoing HTTP --------------------------------------------------------------------------------
CLIENT_DURATION: Final = _histogram(
    "client_request_duration_seconds",
    "Duration of an outgoing HTTP request.",
    Label.METHOD,
    Label.HOST,
    Label.STATUS_CLASS,
)
CLIENT_ERRORS: Final = _counter(
    "client_request_errors_total",
    "Outgoing HTTP requests that got no response.",
    Label.METHOD,
    Label.HOST,
    Label.EXCEPTION,
)

# -- run time -------------------------------------------------------------------------------------
EVENT_LOOP_LAG: Final = _histogram(
    "event_loop_lag_seconds", "Delay with which the event loop runs a timer that is due."
)
THREADPOOL_LIMIT: Final = _gauge("threadpool_limit", "Threads for synchronous endpoints.")
THREADPOOL_IN_USE: Final = _gauge("threadpool_in_use", "Threads running a synchronous endpoint.")
THREADPOOL_WAITING: Final = _gauge("threadpool_waiting", "Calls waiting for a thread.")
PROCESS_CPU: Final = _counter("process_cpu_seconds_total", "CPU time of this worker.")
PROCESS_MEMORY: Final = _gauge("process_resident_memory_bytes", "Resident memory of this worker.")
PROCESS_FDS: Final = _gauge("process_open_fds", "Open file descriptors of this worker.")
PROCESS_MAX_FDS: Final = _gauge(
    "process_max_fds", "File descriptors that this worker may open.", across="min"
)
PROCESS_START: Final = _gauge(
    "process_start_time_seconds", "Start time of this worker, Unix time.", across="max"
)
PROCESS_THREADS: Final = _gauge("process_threads", "Threads of this worker.")
GC_COLLECTIONS: Final = _counter("gc_collections_total", "Garbage collections.", Label.GENERATION)
GC_PAUSE: Final = _histogram("gc_pause_seconds", "Duration of a garbage collection.")
WORKERS_APART: Final = _gauge(
    "workers_apart",
    "1 if the workers cannot add up their metrics; a scrape then shows only one worker.",
    across="max",
)
WORKERS: Final = _gauge("workers", "Worker processes that are alive.", across="latest")
BUILD_INFO: Final = Metric(
    "build_info",
    MetricKind.INFO,
    (Label.VERSION, Label.PYTHON, Label.FASTAPI),
    "Versions of the service, Python and FastAPI.",
    across="max",
)
SLO_DEFAULT_TARGETS: Final = _gauge(
    "slo_default_targets",
    "1 if ETTER_OBS_SLO_FILE is not set and the package's example targets apply.",
    across="max",
)
SLO_SPEC_INFO: Final = Metric(
    "slo_spec_info",
    MetricKind.INFO,
    (Label.SHA256,),
    "Hash of the slo.yaml whose thresholds are this app's buckets; its rules carry the same hash.",
    across="max",
)

# -- health ---------------------------------------------------------------------------------------
HEALTH_CHECK_UP: Final = _gauge(
    "health_check_up", "1 if the check passes, 0 if it fails.", Label.CHECK, across="min"
)
HEALTH_CHECK_DURATION: Final = _histogram(
    "health_check_duration_seconds", "Duration of a health check.", Label.CHECK
)
HEALTH_CHECK_FAILURES: Final = _counter(
    "health_check_failures_total", "Health checks that failed.", Label.CHECK, Label.REASON
)

# -- the telemetry itself -------------------------------------------------------------------------
SERIES_DROPPED: Final = _counter(
    "telemetry_series_dropped_total",
    "Observations counted in the overflow series because the metric reached its series cap.",
    Label.METRIC,
)
SERIES: Final = _gauge("telemetry_series", "Label sets of a metric.", Label.METRIC, across="max")
TELEMETRY_DROPPED: Final = _counter(
    "telemetry_dropped_total",
    "Log lines, spans and events dropped so that the app does not wait.",
    Label.SIGNAL,
    Label.REASON,
)
LOG_LINES: Final = _counter("log_lines_total", "Log lines written.", Label.SEVERITY)
LOG_QUEUE: Final = _gauge("log_queue_length", "Log lines waiting for the writer.")

METRICS: Final[tuple[Metric, ...]] = tuple(v for v in vars().values() if isinstance(v, Metric))
"""Every metric above, in that order."""


def metric_by_suffix(suffix: str) -> Metric | None:
    """Return the metric with this name (without prefix), or None."""
    return next((metric for metric in METRICS if metric.suffix == suffix), None)
