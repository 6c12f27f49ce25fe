"""What rules cost on a real Prometheus, by number of routes: ours, and the shapes of two others.

    python -m benchmarks.rules      10, 100 and 1,000 routes; about 10 minutes; prints a table

Two SLOs (availability, latency) over a synthetic service. Its raw history is as long as HISTORY;
recordings that rules read have the whole 30 days, so that ours are measured at their full cost and
the others at less than theirs. Durations are those of Prometheus's rule groups, samples are its
own query statistics.

The other shapes, written for the same SLOs from how each tool documents its rules:

- "sloth": the error ratio over each window by ``rate`` over the raw series, 30 days as the average
  of the recorded 5m ratio; every rule each 30 s.
- "pyrra": the burn rate over each window by ``rate`` over the raw series, each 30 s, and
  ``increase`` of the raw series over 30 days, each 2m30s.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.routes import PER_SECOND, Exporter, exposition
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.rules.recording import rules
from stack.build import binary
from stack.layout import Ports

HISTORY = 2 * 3600
"""Seconds of raw history. Longer windows than this read only so much, and cost more in truth."""
EVALUATIONS = 5
SPEC = """\
version: 1
service: bench
environment: bench
team: bench
metric_prefix: etter
receivers:
  page: { webhook: { url_file: unused } }
  ticket: { webhook: { url_file: unused } }
slos:
  - name: availability
    description: Requests are answered without a server error.
    objective: 99.9%
    sli: { requests: { bad_status: 5xx } }
  - name: latency
    description: Requests are answered within half a second.
    objective: 95%
    sli: { latency: { threshold: 500ms } }
"""
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
PYRRA_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "4d")

OF = 'job="bench",environment="bench"'
REQUESTS = f"etter_requests_total{{{OF}"
COUNT = f'etter_request_duration_seconds_count{{{OF},status_class!="5xx"'
WITHIN = f'etter_request_duration_seconds_bucket{{{OF},status_class!="5xx",le="0.5"'

Group = dict[str, object]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one approach, for one evaluation of all its rules; an hour is at their own intervals.

    ``samples`` were read; ``samples_in_truth`` would be, were the raw history as long as a window.
    """

    rules: int
    seconds: float
    seconds_an_hour: float
    samples: int
    samples_in_truth: float


def ours(folder: Path) -> list[Group]:
    """The generated recording rules; their alerts read only what these record."""
    spec_file = folder / "slo.yaml"
    spec_file.write_text(SPEC)
    files = rules(load_spec(spec_file)).values()
    return [group for text in files for group in yaml.safe_load(text)["groups"]]


def sloth() -> list[Group]:
    """Each window's ratio from the raw series; the period's from the recorded ratio."""

    def ratio(window: str, slo: str) -> str:
        if slo == "availability":
            bad = f'sum(rate({REQUESTS},status=~"5.."}}[{window}]))'
            return f"({bad}) / (sum(rate({REQUESTS}}}[{window}])))"
        within = f"sum(rate({WITHIN}}}[{window}]))"
        return f"1 - ({within} / sum(rate({COUNT}}}[{window}])))"

    groups = []
    for slo in ("availability", "latency"):
        recorded = f'slo:sli_error:ratio_rate5m{{sloth_slo="{slo}"}}'
        listed = [(window, ratio(window, slo)) for window in WINDOWS]
        listed.append(("30d", f"sum_over_time({recorded}[30d]) / count_over_time({recorded}[30d])"))
        groups.append(
            _group(
                f"sloth-{slo}",
                30,
                [
                    {
                        "record": f"slo:sli_error:ratio_rate{window}",
                        "expr": expr,
                        "labels": {"sloth_slo": slo},
                    }
                    for window, expr in listed
                ],
            )
        )
    return groups


def pyrra() -> list[Group]:
    """Each window's burn rate from the raw series, and the period's increase from them too."""
    errors = f'{REQUESTS},status=~"5.."}}'
    count = f"sum(rate({COUNT}}}[%s]))"
    burn = {
        "availability": f"sum(rate({errors}[%s])) / sum(rate({REQUESTS}}}[%s]))",
        "latency": f"({count} - sum(rate({WITHIN}}}[%s]))) / {count}",
    }
    period = {
        "availability": [f"sum by (status) (increase({REQUESTS}}}[30d]))"],
        "latency": [f"sum(increase({COUNT}}}[30d]))", f"sum(increase({WITHIN}}}[30d]))"],
    }
    groups = []
    for slo, expr in burn.items():
        labels = {"pyrra_slo": slo}
        groups.append(
            _group(
                f"pyrra-{slo}",
                30,
                [
                    {"record": f"burnrate{w}", "expr": expr.replace("%s", w), "labels": labels}
                    for w in PYRRA_WINDOWS
                ],
            )
        )
        groups.append(
            _group(
                f"pyrra-{slo}-increase",
                150,
                [
                    {"record": f"increase30d:{number}", "expr": text, "labels": labels}
                    for number, text in enumerate(period[slo])
                ],
            )
        )
    return groups


def _group(name: str, interval: int, listed: list[dict[str, object]]) -> Group:
    return {"name": name, "interval": f"{interval}s", "rules": listed}


def measure(routes: int, approaches: Mapping[str, list[Group]], folder: Path) -> dict[str, Cost]:
    """Run every approach's rules on one Prometheus over a service with so many routes."""
    folder.mkdir()
    started = int(time.time()) // 15 * 15
    _fill(folder, routes, started)
    # Evaluated each 30 s, whatever their own interval, so that a few minutes show all of them.
    hurried = [{**group, "interval": "30s"} for groups in approaches.values() for group in groups]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": hurried}))
    with Exporter(routes, started - HISTORY) as exporter, _prometheus(folder, exporter.port) as url:
        durations = _durations(url, [str(group["name"]) for group in hurried])
        return {name: _cost(url, groups, durations) for name, groups in approaches.items()}


def _fill(folder: Path, routes: int, end: int) -> None:
    """Raw series for HISTORY, what the 30-day rules read of recordings for 30 days."""
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".om") as file:
        for chunk in exposition(routes, end - HISTORY, end):
            file.write(chunk)
        each = PER_SECOND * routes * 30
        for slo, bad in (("availability", 0.001), ("latency", 0.02)):
            of = f'{{service="bench",environment="bench",slo="{slo}"}}'
            for name, value in (
                (f"slo:total:increase{of}", each),
                (f"slo:bad:increase{of}", each * bad),
                (f'slo:sli_error:ratio_rate5m{{sloth_slo="{slo}"}}', bad),
            ):
                file.writelines(
                    f"{name} {value:g} {at}\n" for at in range(end - 30 * 86400, end, 30)
                )
        file.write("# EOF\n")
        file.flush()
        subprocess.run(
            [
                binary("promtool"),
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                "--quiet",
                "--max-block-duration=64d",
                file.name,
                folder / "data",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )


class _prometheus:  # noqa: N801 - used as a function: with _prometheus(...) as url
    """A Prometheus of its own: only the exporter to scrape, only the rules to evaluate."""

    def __init__(self, folder: Path, exporter_port: int) -> None:
        self.folder = folder
        port = Ports.free().prometheus
        self.url = f"http://127.0.0.1:{port}"
        config = {
            "global": {"scrape_interval": "15s", "evaluation_interval": "30s"},
            "rule_files": ["rules.yml"],
            "storage": {"tsdb": {"retention": {"time": "40d"}}},
            "scrape_configs": [
                {
                    "job_name": "bench",
                    "static_configs": [
                        {
                            "targets": [f"127.0.0.1:{exporter_port}"],
                            "labels": {"environment": "bench", "instance": "bench"},
                        }
                    ],
                }
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.command: list[str | Path] = [
            binary("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]

    def __enter__(self) -> str:
        with (self.folder / "prometheus.log").open("w") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).close()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "prometheus.log").read_text()) from None
                time.sleep(0.2)
            else:
                return self.url

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)


def _get(url: str, path: str, **parameters: str) -> dict[str, object]:
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=120) as answer:
        data: dict[str, object] = json.load(answer)["data"]
    return data


def _durations(url: str, names: list[str]) -> dict[str, float]:
    """Each group's mean evaluation time in seconds, of EVALUATIONS after the first."""
    seen: dict[str, dict[str, float]] = {name: {} for name in names}
    while any(len(taken) <= EVALUATIONS for taken in seen.values()):
        time.sleep(2)
        groups = _get(url, "rules")["groups"]
        assert isinstance(groups, list)
        for group in groups:
            if not group["lastEvaluation"].startswith("0001"):
                seen[group["name"]][group["lastEvaluation"]] = group["evaluationTime"]
    means = {}
    for name, taken in seen.items():
        steady = [taken[moment] for moment in sorted(taken)][1:]
        means[name] = sum(steady) / len(steady)
    return means


def _cost(url: str, groups: list[Group], durations: Mapping[str, float]) -> Cost:
    count, samples, in_truth, seconds, seconds_an_hour = 0, 0, 0.0, 0.0, 0.0
    for group in groups:
        duration = durations[str(group["name"])]
        seconds += duration
        seconds_an_hour += duration * 3600 / _seconds(str(group["interval"]))
        listed = group["rules"]
        assert isinstance(listed, list)
        for rule in listed:
            read = _samples(url, rule["expr"])
            count += 1
            samples += read
            in_truth += read * _cut_short(rule["expr"])
    return Cost(count, seconds, seconds_an_hour, samples, in_truth)


def _cut_short(expr: str) -> float:
    """How many times more samples a rule over raw series would read of a long enough history."""
    if "etter_" not in expr:
        return 1.0
    return max(1.0, *(_seconds(window) / HISTORY for window in re.findall(r"\[(\w+)\]", expr)))


def _samples(url: str, expr: str) -> int:
    stats = _get(url, "query", query=expr, stats="all")["stats"]
    assert isinstance(stats, dict)
    return int(stats["samples"]["totalQueryableSamples"])


def _seconds(text: str) -> float:
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--routes", type=int, nargs="+", default=[10, 100, 1000])
    chosen = parser.parse_args()
    console = Console(width=100)
    table = Table("routes", "rules of", "rules", "ms each time", "s an hour", "samples", "in truth")
    with tempfile.TemporaryDirectory(prefix="etter-obs-rules-") as folder:
        approaches = {"etter-obs": ours(Path(folder)), "sloth": sloth(), "pyrra": pyrra()}
        for routes in chosen.routes:
            console.print(f"{routes} routes: {HISTORY // 3600} h of history, then a few minutes")
            for name, cost in measure(routes, approaches, Path(folder) / str(routes)).items():
                table.add_row(*_row(routes, name, cost))
    console.print(table)


def _row(routes: int, name: str, cost: Cost) -> Iterator[str]:
    yield f"{routes:,}"
    yield name
    yield str(cost.rules)
    yield f"{cost.seconds * 1000:.1f}"
    yield f"{cost.seconds_an_hour:.1f}"
    yield f"{cost.samples:,}"
    yield f"{cost.samples_in_truth:,.0f}"


if __name__ == "__main__":
    main()
