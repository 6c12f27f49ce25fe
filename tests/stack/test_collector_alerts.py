"""The alerts on the collector, over what the real one exposes when it cannot deliver."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from etter_obs._internal.conventions import Alert, constants_of
from etter_obs._internal.conventions.external import Collector
from etter_obs._internal.slo.alerts.stack import stack_alerts
from etter_obs._internal.slo.loading.loader import load_specs
from etter_obs._internal.text.promql import equals
from stack.layout import Ports
from tests.collector import collector
from tests.logs.receivers import hanging_receiver
from tests.slo.specs import SHIPPED, promtool
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

SIGNALS = ("spans", "log_records", "metric_points")
ACCEPTED = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""In Prometheus's order."""
GONE, HANGING = "otlp_http/gone", "otlp_http/hanging"
Samples = dict[str, float]
"""Selector → value, as Prometheus has it: with the job of the scrape."""


def _one_of_each() -> dict[str, dict[str, Any]]:
    """Return OTLP requests, by path, that hold one item of each signal."""
    now = str(time.time_ns())
    ids = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}
    span = ids | {"name": "GET /", "startTimeUnixNano": now, "endTimeUnixNano": now}
    line = {"timeUnixNano": now, "body": {"stringValue": "here"}}
    point = {"name": "m", "gauge": {"dataPoints": [{"timeUnixNano": now, "asInt": "1"}]}}
    return {
        "/v1/traces": {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]},
        "/v1/logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [line]}]}]},
        "/v1/metrics": {"resourceMetrics": [{"scopeMetrics": [{"metrics": [point]}]}]},
    }


def _send(ports: Ports) -> None:
    for path, body in _one_of_each().items():
        httpx.post(f"http://127.0.0.1:{ports.otlp_http}{path}", json=body, timeout=10)


def _scraped(ports: Ports) -> Samples:
    """Ask for formats as Prometheus does: counters have other names in some than in others."""
    url = f"http://127.0.0.1:{ports.collector_metrics}/metrics"
    answer = httpx.get(url, headers={"Accept": ACCEPTED}, timeout=10)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        f'{name}{{{labels},job="otel-collector"}}': float(value)
        for name, labels, value in re.findall(
            r"^(otelcol_\w+)\{(.+)\} (\S+)$", answer.text, re.MULTILINE
        )
    }


def _names(samples: Samples) -> set[str]:
    return {selector.partition("{")[0] for selector in samples}


def _twice(ports: Ports, wanted: set[str]) -> tuple[Samples, Samples]:
    """Send until all that is wanted is exposed, then until all of it has grown."""

    def exposed() -> Samples | None:
        _send(ports)
        found = _scraped(ports)
        return found if wanted <= _names(found) else None

    def grown() -> Samples | None:
        _send(ports)
        found = _scraped(ports)
        more = {selector for selector, value in found.items() if value > before.get(selector, 0)}
        return found if wanted <= _names(dict.fromkeys(more, 0.0)) else None

    before = eventually(exposed, deadline_s=20)
    return before, eventually(grown, deadline_s=20)


def _clauses(alert: str) -> list[str]:
    """Return the reasons for which an alert about the stack fires."""
    [rule] = [rule for rule in stack_alerts(load_specs(SHIPPED)[0]) if rule.name == alert]
    return rule.expr.split("\nor\n")


def _judge(
    folder: Path, scrapes: tuple[Samples, Samples], by: str, told: Mapping[str, str]
) -> None:
    """Have promtool tell that each clause holds for exactly one value of the label ``by``."""
    before, after = scrapes
    values = {
        selector: f"{before.get(selector, '_')} {value}x60" for selector, value in after.items()
    }
    test = {
        "interval": "15s",
        "input_series": [{"series": one, "values": shown} for one, shown in values.items()],
        "promql_expr_test": [
            {
                "expr": f"count by ({by}) ({clause})",
                "eval_time": "10m",
                "exp_samples": [{"labels": f"{{{equals(by, which)}}}", "value": 1}],
            }
            for clause, which in told.items()
        ],
    }
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    promtool("test", "rules", str(file))


def test_each_way_of_not_delivering_is_found_under_its_name(tmp_path: Path) -> None:
    """A refused export, a full queue and a filling one alert with the name of their exporter."""
    send, full = (
        {f"otelcol_exporter_{what}_failed_{signal}" for signal in SIGNALS}
        for what in ("send", "enqueue")
    )
    with ExitStack() as receivers:
        hanging = receivers.enter_context(hanging_receiver())
        common = {"retry_on_failure": {"enabled": False}}
        queue = {"queue_size": 1, "num_consumers": 1}
        more = {
            "exporters": {
                GONE: common | {"endpoint": "http://127.0.0.1:9"},
                HANGING: common | {"endpoint": f"http://{hanging}", "sending_queue": queue},
            },
            "service": {
                "pipelines": {
                    signal: {
                        "receivers": ["otlp"],
                        "processors": ["memory_limiter"],
                        "exporters": [GONE, HANGING],
                    }
                    for signal in ("traces", "logs", "metrics")
                }
            },
        }
        (tmp_path / "more.yaml").write_text(yaml.safe_dump(more))
        with collector(tmp_path, tmp_path / "more.yaml") as ports:
            scrapes = _twice(ports, send | full)
            receivers.close()  # or the collector would wait for it at its end
    told = {}
    for clause in _clauses(Alert.COLLECTOR_EXPORT_FAILING):
        named = [name for name in send if f"{name}{{" in clause]
        told[clause] = GONE if named else HANGING
    assert len(told) == len(send) + len(full) + 1
    _judge(tmp_path, scrapes, "exporter", told)
    assert set(constants_of(Collector)) <= _names(scrapes[1])


def test_a_refusal_for_want_of_memory_is_found_under_its_name(tmp_path: Path) -> None:
    """Data that the memory limiter refuses alerts with the name of the receiver."""
    refused = {f"otelcol_receiver_refused_{signal}" for signal in ("spans", "log_records")}
    # No more than the limiter keeps for spikes, so that whatever comes is too much.
    with collector(tmp_path, COLLECTOR_MEMORY_MIB="97") as ports:
        scrapes = _twice(ports, refused)
    clauses = [c for c in _clauses(Alert.COLLECTOR_REFUSING) if "metric_points" not in c]
    assert len(clauses) == len(refused)
    _judge(tmp_path, scrapes, "receiver", dict.fromkeys(clauses, "otlp"))
