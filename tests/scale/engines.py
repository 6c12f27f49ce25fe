"""The engines of the truth suite: each takes samples of the past, evaluates rules, and answers.

Prometheus, Thanos and Mimir evaluate a rule over the past as a range query, whose every step is
what a rule evaluation at that moment gives; its result is written back, as a ruler would. For
VictoriaMetrics, vmalert does that itself (``-replay``).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml

from stack import engines
from stack.build import binary
from stack.engines import address, querier, url_of, victoria_metrics
from stack.layout import free_ports
from stack.processes import running
from tests.prometheus import on_loopback
from tests.scale.remote_write import STALE, Sample, write
from tests.slo.events import EVALUATION

KEPT = "24h"
"""How far back a sample may arrive late: recordings of the past follow the raw samples."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine: where it takes samples, and where it answers PromQL."""

    write_url: str
    query_url: str
    parameters: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def write(self, samples: Sequence[Sample]) -> None:
        """Store samples of the past."""
        write(self.write_url, samples, self.headers)

    def range(self, expression: str, start: float, end: float, step: float) -> list[Any]:
        """Return the series of a range query: dicts with ``metric`` and ``values``."""
        answer = httpx.post(
            f"{self.query_url}/api/v1/query_range",
            data={"query": expression, "start": start, "end": end, "step": step, **self.parameters},
            headers=self.headers,
            timeout=120,
        )
        assert answer.is_success, f"{expression}: {answer.text[:500]}"
        found: list[Any] = answer.json()["data"]["result"]
        return found

    def evaluate(self, rule_files: Sequence[Path], start: float, end: float) -> None:
        """Evaluate recording rules, in their order, from ``start`` to ``end``."""
        for file in rule_files:
            for group in yaml.safe_load(file.read_text())["groups"]:
                for rule in group["rules"]:
                    self.evaluate_rule(rule, group["interval"], start, end)

    def evaluate_rule(self, rule: dict[str, Any], interval: str, start: float, end: float) -> None:
        """Evaluate one recording rule; what it records is visible to the next."""
        every = int(interval[:-1]) * {"s": 1, "m": 60}[interval[-1]]
        self.write(_recorded(rule, self.range(rule["expr"], start, end, every), every))


def _recorded(rule: dict[str, Any], found: list[Any], every: int) -> list[Sample]:
    """Return a rule's results as samples; a series that ends is marked stale, as rulers do."""
    samples = []
    for series in found:
        labels = tuple(({**series["metric"], **rule["labels"], "__name__": rule["record"]}).items())
        times = {at: float(value) for at, value in series["values"]}
        samples += [Sample(labels, at, value) for at, value in times.items()]
        last = max(times)
        samples += [
            Sample(labels, at + every, STALE)
            for at in times
            if at + every not in times and at != last
        ]
    return samples


@contextmanager
def prometheus(folder: Path) -> Iterator[Engine]:
    """Run a Prometheus that takes remote write."""
    config = f"storage: {{ tsdb: {{ out_of_order_time_window: {KEPT} }} }}\n"
    with on_loopback(folder, config, "--web.enable-remote-write-receiver") as url:
        yield Engine(f"{url}/api/v1/write", url)


@contextmanager
def thanos(folder: Path) -> Iterator[Engine]:
    """Run Thanos Receive and a querier over it."""
    ports = free_ports()
    takes, http, grpc, url = (url_of(ports) for _ in range(4))
    receive = engines.thanos(
        "receive",
        "receive",
        folder,
        http,
        grpc,
        f"--tsdb.path={folder / 'data'}",
        f"--tsdb.out-of-order.time-window={KEPT}",
        '--label=replica="a"',
        f"--remote-write.address={address(takes)}",
    )
    query = querier(
        folder,
        url,
        ports,
        f"--endpoint-strict={address(grpc)}",
        "--query.replica-label=tenant_id",
    )
    with running(receive, query):
        yield Engine(f"{takes}/api/v1/receive", url)


@dataclass(frozen=True, slots=True)
class _VictoriaMetrics(Engine):
    folder: Path = field(kw_only=True)

    def write(self, samples: Sequence[Sample]) -> None:
        """Store samples of the past."""
        write(self.write_url, samples, self.headers)
        self._show_all()

    def evaluate_rule(self, rule: dict[str, Any], interval: str, start: float, end: float) -> None:
        """Let vmalert replay one rule: of several, a later one may not see what it reads."""
        file = self.folder / "rule.yml"
        group = {"name": rule["record"], "interval": interval, "rules": [rule]}
        file.write_text(yaml.safe_dump({"groups": [group]}))
        done = subprocess.run(
            [
                binary("vmalert"),
                f"-rule={file}",
                f"-datasource.url={self.query_url}",
                f"-remoteWrite.url={self.query_url}",
                f"-replay.timeFrom={_moment(start)}",
                f"-replay.timeTo={_moment(end)}",
                "-replay.rulesDelay=0s",
                "-replay.disableProgressBar",
                f"-evaluationInterval={EVALUATION}s",
                "-remoteWrite.flushInterval=50ms",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        self._show_all()

    def _show_all(self) -> None:
        """Make what was written visible to queries; otherwise that takes a second."""
        httpx.get(f"{self.query_url}/internal/force_flush", timeout=30).raise_for_status()


def _moment(at: float) -> str:
    """Return a Unix time as vmalert takes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def victoriametrics(folder: Path) -> Iterator[Engine]:
    """Run a single-node VictoriaMetrics."""
    url = url_of(free_ports())
    with running(victoria_metrics(folder, url, "-retentionPeriod=30d")):
        yield _VictoriaMetrics(f"{url}/api/v1/write", url, {"nocache": "1"}, folder=folder)


ENGINES = {"prometheus": prometheus, "thanos": thanos, "victoriametrics": victoriametrics}
