"""Names that other programs define: metrics of the stack's components at their pinned versions.

Names that this product defines are in the other modules of ``conventions/``.
"""

from __future__ import annotations

from typing import Final

from etter_obs._internal.conventions.constants import constants_of

COLLECTOR_IMAGE: Final = "otel/opentelemetry-collector-contrib:0.161.0"
"""The collector's image; docker-compose.yml runs the same."""


class Job:
    """Scrape jobs in prometheus/prometheus.yml other than the service's own."""

    PROMETHEUS: Final = "prometheus"
    ALERTMANAGER: Final = "alertmanager"
    COLLECTOR: Final = "otel-collector"
    LOKI: Final = "loki"
    NODE: Final = "node"
    POSTGRES: Final = "postgres"
    REDIS: Final = "redis"


class Scrape:
    """Series that Prometheus adds to every scrape, and the series of its alerts."""

    UP: Final = "up"
    DURATION: Final = "scrape_duration_seconds"
    SAMPLES: Final = "scrape_samples_scraped"
    ALERTS: Final = "ALERTS"


class Prometheus:
    """Prometheus's own metrics."""

    RULE_GROUP_DURATION: Final = "prometheus_rule_group_last_duration_seconds"
    RULE_GROUP_INTERVAL: Final = "prometheus_rule_group_interval_seconds"
    RULE_ITERATIONS_MISSED: Final = "prometheus_rule_group_iterations_missed_total"
    RULE_FAILURES: Final = "prometheus_rule_evaluation_failures_total"
    SAMPLE_LIMIT_EXCEEDED: Final = "prometheus_target_scrapes_exceeded_sample_limit_total"
    BODY_LIMIT_EXCEEDED: Final = "prometheus_target_scrapes_exceeded_body_size_limit_total"
    LABEL_LIMIT_EXCEEDED: Final = "prometheus_target_scrape_pool_exceeded_label_limits_total"
    HEAD_SERIES: Final = "prometheus_tsdb_head_series"
    WAL_WRITES_FAILED: Final = "prometheus_tsdb_wal_writes_failed_total"
    WAL_CORRUPTIONS: Final = "prometheus_tsdb_wal_corruptions_total"
    NOTIFICATIONS_DROPPED: Final = "prometheus_notifications_dropped_total"


class Alertmanager:
    """Alertmanager's metrics."""

    NOTIFICATIONS: Final = "alertmanager_notifications_total"
    FAILED: Final = "alertmanager_notifications_failed_total"
    LATENCY: Final = "alertmanager_notification_latency_seconds"


class Collector:
    """The OpenTelemetry Collector's metrics about itself."""

    ACCEPTED_SPANS: Final = "otelcol_receiver_accepted_spans"
    ACCEPTED_LOGS: Final = "otelcol_receiver_accepted_log_records"
    REFUSED_SPANS: Final = "otelcol_receiver_refused_spans"
    REFUSED_LOGS: Final = "otelcol_receiver_refused_log_records"
    REFUSED_METRICS: Final = "otelcol_receiver_refused_metric_points"
    SENT_SPANS: Final = "otelcol_exporter_sent_spans"
    SENT_LOGS: Final = "otelcol_exporter_sent_log_records"
    FAILED_SPANS: Final = "otelcol_exporter_send_failed_spans"
    FAILED_LOGS: Final = "otelcol_exporter_send_failed_log_records"
    FAILED_METRICS: Final = "otelcol_exporter_send_failed_metric_points"
    NOT_QUEUED_SPANS: Final = "otelcol_exporter_enqueue_failed_spans"
    NOT_QUEUED_LOGS: Final = "otelcol_exporter_enqueue_failed_log_records"
    NOT_QUEUED_METRICS: Final = "otelcol_exporter_enqueue_failed_metric_points"
    QUEUE_SIZE: Final = "otelcol_exporter_queue_size"
    QUEUE_CAPACITY: Final = "otelcol_exporter_queue_capacity"


class Loki:
    """Loki's metrics."""

    LINES: Final = "loki_distributor_lines_received_total"
    DISCARDED: Final = "loki_discarded_samples_total"


class Node:
    """node_exporter's metrics."""

    CPU: Final = "node_cpu_seconds_total"
    MEMORY_TOTAL: Final = "node_memory_MemTotal_bytes"
    MEMORY_AVAILABLE: Final = "node_memory_MemAvailable_bytes"
    DISK_BUSY: Final = "node_disk_io_time_seconds_total"
    FILESYSTEM_SIZE: Final = "node_filesystem_size_bytes"
    FILESYSTEM_AVAILABLE: Final = "node_filesystem_avail_bytes"
    LOAD: Final = "node_load1"
    RECEIVED: Final = "node_network_receive_bytes_total"
    SENT: Final = "node_network_transmit_bytes_total"


class Postgres:
    """postgres_exporter's metrics."""

    BLOCKS_HIT: Final = "pg_stat_database_blks_hit"
    BLOCKS_READ: Final = "pg_stat_database_blks_read"
    DEADLOCKS: Final = "pg_stat_database_deadlocks"
    LOCKS: Final = "pg_locks_count"
    CONNECTIONS: Final = "pg_stat_activity_count"


class Redis:
    """redis_exporter's metrics."""

    MEMORY_USED: Final = "redis_memory_used_bytes"
    MEMORY_MAX: Final = "redis_memory_max_bytes"
    CLIENTS: Final = "redis_connected_clients"
    EXPIRED: Final = "redis_expired_keys_total"
    KEYS: Final = "redis_db_keys"


NAMES: Final = frozenset(
    name
    for names in (Scrape, Prometheus, Alertmanager, Collector, Loki, Node, Postgres, Redis)
    for name in constants_of(names)
)
"""The names of all metrics above."""

HISTOGRAMS: Final = frozenset({Alertmanager.LATENCY})
"""Histograms: their series also have the suffix ``_bucket``, ``_sum`` or ``_count``."""
