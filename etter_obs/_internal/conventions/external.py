"""Names that other programs define: metrics of the stack's components at their pinned versions.

Names that this product defines are in the other modules of ``conventions/``.
"""

from __future__ import annotations

from enum import StrEnum


class Job(StrEnum):
    """Scrape jobs in prometheus/prometheus.yml other than the service's own."""

    PROMETHEUS = "prometheus"
    ALERTMANAGER = "alertmanager"
    COLLECTOR = "otel-collector"
    LOKI = "loki"
    NODE = "node"
    POSTGRES = "postgres"
    REDIS = "redis"

    @property
    def matcher(self) -> str:
        """Return ``job="…"``."""
        return f'job="{self}"'


class Scrape(StrEnum):
    """Series that Prometheus adds to every scrape, and the series of its alerts."""

    UP = "up"
    DURATION = "scrape_duration_seconds"
    SAMPLES = "scrape_samples_scraped"
    ALERTS = "ALERTS"


class Prometheus(StrEnum):
    """Prometheus's own metrics."""

    RULE_GROUP_DURATION = "prometheus_rule_group_last_duration_seconds"
    RULE_GROUP_INTERVAL = "prometheus_rule_group_interval_seconds"
    RULE_ITERATIONS_MISSED = "prometheus_rule_group_iterations_missed_total"
    RULE_FAILURES = "prometheus_rule_evaluation_failures_total"
    SAMPLE_LIMIT_EXCEEDED = "prometheus_target_scrapes_exceeded_sample_limit_total"
    BODY_LIMIT_EXCEEDED = "prometheus_target_scrapes_exceeded_body_size_limit_total"
    LABEL_LIMIT_EXCEEDED = "prometheus_target_scrape_pool_exceeded_label_limits_total"
    HEAD_SERIES = "prometheus_tsdb_head_series"
    NOTIFICATIONS_DROPPED = "prometheus_notifications_dropped_total"


class Alertmanager(StrEnum):
    """Alertmanager's metrics."""

    NOTIFICATIONS = "alertmanager_notifications_total"
    FAILED = "alertmanager_notifications_failed_total"
    LATENCY = "alertmanager_notification_latency_seconds"


class Collector(StrEnum):
    """The OpenTelemetry Collector's metrics about itself."""

    ACCEPTED_SPANS = "otelcol_receiver_accepted_spans"
    ACCEPTED_LOGS = "otelcol_receiver_accepted_log_records"
    REFUSED_SPANS = "otelcol_receiver_refused_spans"
    REFUSED_LOGS = "otelcol_receiver_refused_log_records"
    REFUSED_METRICS = "otelcol_receiver_refused_metric_points"
    SENT_SPANS = "otelcol_exporter_sent_spans"
    SENT_LOGS = "otelcol_exporter_sent_log_records"
    FAILED_SPANS = "otelcol_exporter_send_failed_spans"
    FAILED_LOGS = "otelcol_exporter_send_failed_log_records"
    FAILED_METRICS = "otelcol_exporter_send_failed_metric_points"
    NOT_QUEUED_SPANS = "otelcol_exporter_enqueue_failed_spans"
    NOT_QUEUED_LOGS = "otelcol_exporter_enqueue_failed_log_records"
    NOT_QUEUED_METRICS = "otelcol_exporter_enqueue_failed_metric_points"
    QUEUE_SIZE = "otelcol_exporter_queue_size"
    QUEUE_CAPACITY = "otelcol_exporter_queue_capacity"


class Loki(StrEnum):
    """Loki's metrics."""

    LINES = "loki_distributor_lines_received_total"
    DISCARDED = "loki_discarded_samples_total"


class Node(StrEnum):
    """node_exporter's metrics."""

    CPU = "node_cpu_seconds_total"
    MEMORY_TOTAL = "node_memory_MemTotal_bytes"
    MEMORY_AVAILABLE = "node_memory_MemAvailable_bytes"
    DISK_BUSY = "node_disk_io_time_seconds_total"
    FILESYSTEM_SIZE = "node_filesystem_size_bytes"
    FILESYSTEM_AVAILABLE = "node_filesystem_avail_bytes"
    LOAD = "node_load1"
    RECEIVED = "node_network_receive_bytes_total"
    SENT = "node_network_transmit_bytes_total"


class Postgres(StrEnum):
    """postgres_exporter's metrics."""

    BLOCKS_HIT = "pg_stat_database_blks_hit"
    BLOCKS_READ = "pg_stat_database_blks_read"
    DEADLOCKS = "pg_stat_database_deadlocks"
    LOCKS = "pg_locks_count"
    CONNECTIONS = "pg_stat_activity_count"


class Redis(StrEnum):
    """redis_exporter's metrics."""

    MEMORY_USED = "redis_memory_used_bytes"
    MEMORY_MAX = "redis_memory_max_bytes"
    CLIENTS = "redis_connected_clients"
    EXPIRED = "redis_expired_keys_total"
    KEYS = "redis_db_keys"


NAMES: frozenset[str] = frozenset(
    name.value
    for names in (
        Scrape,
        Prometheus,
        Alertmanager,
        Collector,
        Loki,
        Node,
        Postgres,
        Redis,
    )
    for name in names
)
"""The names of all metrics above."""

HISTOGRAMS: frozenset[str] = frozenset({Alertmanager.LATENCY})
"""Histograms: their series also have the suffix ``_bucket``, ``_sum`` or ``_count``."""
