"""The collector's second profile, for apps that send every trace."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.layout import CHECKOUT, Ports
from tests.collector import collector
from tests.jsonl import json_lines
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_OK, _ERROR = 1, 2
_MILLISECOND = 1_000_000


def _span(trace_id: str, status: int, duration_ms: int) -> dict[str, Any]:
    start = time.time_ns()
    return {
        "traceId": trace_id,
        "spanId": trace_id[:16],
        "name": "GET /companies",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + duration_ms * _MILLISECOND),
        "status": {"code": status},
    }


def test_what_failed_or_was_slow_is_kept_and_little_of_the_rest(tmp_path: Path) -> None:
    """Of 1,000 good traces few arrive; each failed one does, and each slower than 500 ms."""
    failed = [f"{number:032x}" for number in range(1, 21)]
    slow = [f"{number:032x}" for number in range(101, 121)]
    good = [f"{number * 2**96 + number:032x}" for number in range(1, 1001)]
    spans = [_span(each, _ERROR, 5) for each in failed]
    spans += [_span(each, _OK, 900) for each in slow]
    spans += [_span(each, _OK, 5) for each in good]

    def kept() -> set[str]:
        return {
            span["traceId"]
            for line in json_lines(tmp_path / "data/traces.jsonl")
            for resource in line["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        }

    profile = CHECKOUT / "otel-collector/tail-sampling.yaml"
    with collector(tmp_path, profile) as ports:
        body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
        url = f"http://127.0.0.1:{ports.otlp_http}/v1/traces"
        httpx.post(url, json=body, timeout=10).raise_for_status()
        # Those that came in when a second ended are decided a second after the others.
        eventually(lambda: decided(ports) >= len(spans), deadline_s=60)
        eventually(lambda: kept() >= {*failed, *slow}, deadline_s=60)
    # The collector has ended, so everything that it decided to keep is in the file.
    assert 0 < len(kept() & set(good)) < 150


def decided(ports: Ports) -> float:
    """How many traces the collector has decided about."""
    name = "otelcol_processor_tail_sampling_global_count_traces_sampled"
    text = httpx.get(f"http://127.0.0.1:{ports.collector_metrics}/metrics", timeout=10).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))
