"""Drill: the back end is away, the collector's disk queue fills up, and the collector is killed."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest
import yaml

from stack.layout import Ports
from tests.collector import collector
from tests.logs.receivers import http_receiver
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

SENT, ROOM = 30, 10
QUEUE = {"storage": "file_storage", "queue_size": ROOM, "num_consumers": 1}
MORE = {
    "exporters": {"otlp_http/loki": {"sending_queue": QUEUE}},
    # Without the batch processor a line is one entry of the queue.
    "service": {"pipelines": {"logs": {"processors": ["memory_limiter"]}}},
}


def counted(ports: Ports, name: str) -> float:
    """Return one of the collector's own counters, summed over its labels."""
    text = httpx.get(f"http://127.0.0.1:{ports.collector_metrics}/metrics", timeout=10).text
    return sum(map(float, re.findall(rf"^{name}(?:_total)?\{{.*\}} (\S+)$", text, re.MULTILINE)))


def send(ports: Ports, body: str) -> None:
    """Send one log line by OTLP, whether or not the collector takes it."""
    record = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": body}}
    body_ = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    httpx.post(f"http://127.0.0.1:{ports.otlp_http}/v1/logs", json=body_, timeout=10)


def test_a_full_queue_counts_what_it_drops_and_keeps_the_rest_through_a_kill(
    tmp_path: Path,
) -> None:
    """Lines that arrive after the kill are exactly those sent, less those counted as dropped."""
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump(MORE))
    lines = [f"line {number}" for number in range(SENT)]
    with collector(tmp_path, more, killed=True, LOKI_OTLP_URL="http://127.0.0.1:9/otlp") as ports:
        for line in lines:
            send(ports, line)
        dropped = counted(ports, "otelcol_exporter_enqueue_failed_log_records")
    assert 0 < dropped < SENT
    with (
        http_receiver() as received,
        collector(tmp_path, more, LOKI_OTLP_URL=received.endpoint),
    ):
        eventually(lambda: len(received.records()) >= SENT - dropped, deadline_s=30)
    arrived = [record.body.string_value for record in received.records()]
    assert len(arrived) == len(set(arrived)) == SENT - dropped
    assert set(arrived) <= set(lines)
