"""An agent's collector in front of a gateway's."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from stack.layout import CHECKOUT, Ports
from tests.collector import collector
from tests.logs.receivers import http_receiver
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

AGENT = CHECKOUT / "otel-collector/to-gateway.yaml"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def post(ports: Ports, path: str, body: object) -> None:
    """Send OTLP by HTTP; the collector must take it."""
    url = f"http://127.0.0.1:{ports.otlp_http}{path}"
    httpx.post(url, json=body, timeout=10).raise_for_status()


def test_an_agent_passes_logs_and_traces_to_its_gateway(tmp_path: Path) -> None:
    """A line and a span arrive behind the gateway once, though the agent came before it."""
    now = str(time.time_ns())
    span = {"traceId": TRACE, "spanId": "b7ad6b7169203331", "name": "GET /"}
    span |= {"startTimeUnixNano": now, "endTimeUnixNano": now}
    line = {"timeUnixNano": now, "body": {"stringValue": "here"}}
    agent, gateway = tmp_path / "agent", tmp_path / "gateway"
    agent.mkdir()
    gateway.mkdir()
    ports = Ports.free()
    to = f"127.0.0.1:{ports.otlp_grpc}"
    with (
        http_receiver() as received,
        collector(agent, AGENT, GATEWAY_OTLP_ADDRESS=to) as sender,
    ):
        post(sender, "/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
        post(sender, "/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [line]}]}]})
        with collector(gateway, ports=ports, LOKI_OTLP_URL=received.endpoint):
            eventually(received.records, deadline_s=60)
            traces = gateway / "data/traces.jsonl"
            eventually(lambda: traces.exists() and traces.stat().st_size, deadline_s=60)
    assert [record.body.string_value for record in received.records()] == ["here"]
    [written] = traces.read_text().splitlines()
    [resource] = json.loads(written)["resourceSpans"]
    assert [each["traceId"] for each in resource["scopeSpans"][0]["spans"]] == [TRACE]
