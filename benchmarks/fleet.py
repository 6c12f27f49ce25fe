"""What the rules of a fleet read and take, by engine and form: 200 instances with 100 routes each.

    python -m benchmarks.fleet [--instances 200] [--routes 100]

Each engine holds six minutes of the request counters of such a fleet: one series of good and one of
failed requests for each instance and route. The two base recordings of an availability SLO are
evaluated once for each form of ``engine`` and ``rule_form`` that the engine takes. Samples are the
engine's own query statistics. Time is the CPU time of its processes, the mean of three evaluations,
so that other load on the machine matters little. All other rules read recordings, whose number does
not grow with the fleet.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from etter_obs._internal.slo.kinds.base import SliExpressions
from etter_obs._internal.slo.loading.loader import load_spec
from stack.build import binary, ensure
from stack.engines import address, prometheus, querier, thanos, url_of, victoria_metrics
from stack.layout import free_ports
from stack.processes import Program, running
from stack.versions import build_of

SCRAPE, HISTORY, TRIES = 15, 360, 3
TIMEOUT = 120.0
EXPOSITION = "fleet.om"
PAGE_AGE = 1.5
"""VictoriaMetrics answers /metrics from a copy that is up to a second old."""
ANCHORED, DIFFERENCES, PORTABLE = (
    "engine: prometheus",
    "engine: thanos",
    "rule_form: portable",
)
NAMES = {ANCHORED: "anchored", DIFFERENCES: "differences", PORTABLE: "portable"}
SPEC = """\
version: 1
service: fleet
environment: bench
team: bench
metric_prefix: etter
{form}
receivers:
  page: {{ webhook: {{ url_file: unused }} }}
  ticket: {{ webhook: {{ url_file: unused }} }}
slos:
  - name: availability
    description: Requests are answered without a server error.
    objective: 99.9%
    sli: {{ requests: {{ bad_status: 5xx }} }}
"""


@dataclass(frozen=True)
class Engine:
    """A running engine: where it answers PromQL, its processes, and how it counts samples."""

    url: str
    programs: tuple[Program, ...]
    reads: Callable[[str, str, int], int]

    def cpu(self) -> float:
        """Return the CPU seconds that its processes have used."""
        used = [
            psutil.Process(program.process.pid).cpu_times()
            for program in self.programs
            if program.process
        ]
        return sum(each.user + each.system for each in used)


def exposition(instances: int, routes: int, end: int) -> Iterator[str]:
    """Yield the fleet's counters in OpenMetrics, line by line."""
    times = range(end - HISTORY, end + 1, SCRAPE)
    for instance in range(instances):
        for route in range(routes):
            for status, rate in (("200", 3), ("500", 1)):
                series = (
                    f'etter_requests_total{{job="fleet",environment="bench",instance="i{instance}",'
                    f'method="GET",endpoint="/r{route}",status="{status}"}}'
                )
                yield from (f"{series} {n * rate} {at}\n" for n, at in enumerate(times))
    yield "# EOF\n"


def expressions(folder: Path, form: str) -> SliExpressions:
    """Return the base recordings of one form."""
    file = folder / "slo.yaml"
    file.write_text(SPEC.format(form=form))
    spec = load_spec(file)
    [slo] = spec.slos
    return slo.sli.kind.expressions(spec, slo)


def ask(url: str, expression: str, at: int) -> Any:
    """Evaluate an expression at a moment, and return the answer's data."""
    query = {"query": expression, "time": str(at), "stats": "all", "nocache": "1"}
    answer = httpx.get(f"{url}/api/v1/query", params=query, timeout=TIMEOUT)
    answer.raise_for_status()
    data = answer.json()["data"]
    assert data["result"], f"{url} finds nothing for {expression}"
    return data


def told_by_prometheus(url: str, expression: str, at: int) -> int:
    """Evaluate, and return the samples that the answer says were read."""
    return int(ask(url, expression, at)["stats"]["samples"]["totalQueryableSamples"])


def told_by_victoriametrics(url: str, expression: str, at: int) -> int:
    """Evaluate, and return by how much the engine's counter of scanned samples grew."""

    def scanned() -> float:
        text = httpx.get(f"{url}/metrics", timeout=TIMEOUT).text
        return sum(
            map(float, re.findall(r"^vm_rows_scanned_per_query_sum (\S+)$", text, re.MULTILINE))
        )

    before = scanned()
    ask(url, expression, at)
    time.sleep(PAGE_AGE)
    return round(scanned() - before)


def make_blocks(folder: Path) -> None:
    """Turn ``folder/fleet.om`` into blocks of Prometheus in ``folder/data``."""
    promtool = [str(binary("promtool")), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
    subprocess.run([*promtool, str(folder / EXPOSITION), str(folder / "data")], check=True)
    (folder / "prometheus.yml").write_text('global: { external_labels: { replica: "a" } }\n')


@contextmanager
def on_prometheus(folder: Path) -> Iterator[Engine]:
    """Run a Prometheus on the blocks."""
    url = url_of(free_ports())
    program = prometheus(folder, url)
    with running(program):
        yield Engine(url, (program,), told_by_prometheus)


@contextmanager
def on_thanos(folder: Path) -> Iterator[Engine]:
    """Run a querier over a sidecar over a Prometheus on the blocks."""
    ports = free_ports()
    behind, side, grpc, url = (url_of(ports) for _ in range(4))
    sidecar = thanos(
        "sidecar",
        "sidecar",
        folder,
        side,
        grpc,
        f"--prometheus.url={behind}",
        f"--tsdb.path={folder / 'data'}",
    )
    query = querier(folder, url, ports, f"--endpoint-strict={address(grpc)}")
    programs = (prometheus(folder, behind), sidecar, query)
    with running(*programs):
        deadline = time.monotonic() + TIMEOUT
        while not _metrics(url):  # it looks for the sidecar every few seconds
            if time.monotonic() > deadline:
                raise TimeoutError(f"the querier finds no sidecar:\n{query.log.read_text()}")
            time.sleep(0.5)
        yield Engine(url, programs, told_by_prometheus)


def _metrics(url: str) -> list[str]:
    """Return the names of the metrics that an engine has."""
    answer = httpx.get(f"{url}/api/v1/label/__name__/values", timeout=TIMEOUT)
    found: list[str] = answer.json()["data"]
    return found


@contextmanager
def on_victoriametrics(folder: Path) -> Iterator[Engine]:
    """Run a single-node VictoriaMetrics, and import; it takes times in milliseconds."""
    url = url_of(free_ports())
    program = victoria_metrics(folder, url)
    with running(program), (folder / EXPOSITION).open() as file:
        lines = (f"{line.rstrip()}000\n".encode() for line in file if not line.startswith("#"))
        imported = f"{url}/api/v1/import/prometheus"
        httpx.post(imported, content=lines, timeout=TIMEOUT).raise_for_status()
        httpx.get(f"{url}/internal/force_flush", timeout=TIMEOUT).raise_for_status()
        yield Engine(url, (program,), told_by_victoriametrics)


Start = Callable[[Path], AbstractContextManager[Engine]]
ENGINES: dict[str, tuple[Start, tuple[str, ...]]] = {
    "Prometheus": (on_prometheus, (ANCHORED, DIFFERENCES, PORTABLE)),
    "Thanos": (on_thanos, (DIFFERENCES, PORTABLE)),
    "VictoriaMetrics": (on_victoriametrics, (DIFFERENCES,)),
}


def evaluated(engine: Engine, parts: SliExpressions, at: int) -> tuple[int, float]:
    """Return the samples and the CPU seconds of one evaluation of both recordings."""
    before = engine.cpu()
    for _ in range(TRIES):
        read = sum(engine.reads(engine.url, one, at) for one in (parts.total, parts.bad))
    return read, (engine.cpu() - before) / TRIES


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--routes", type=int, default=100)
    chosen = parser.parse_args()
    ensure(build_of(name) for name in ("prometheus", "thanos", "victoria-metrics"))
    table = Table("engine", "form", "samples each time", "per series", "CPU ms each time")
    end = int(time.time()) // 30 * 30
    with tempfile.TemporaryDirectory(prefix="etter-obs-fleet-") as made:
        folder = Path(made)
        with (folder / EXPOSITION).open("w") as file:
            file.writelines(exposition(chosen.instances, chosen.routes, end))
        make_blocks(folder)
        for name, (start, forms) in ENGINES.items():
            with start(folder) as engine:
                for form in forms:
                    read, took = evaluated(engine, expressions(folder, form), end)
                    each = read / (chosen.instances * chosen.routes * 2)
                    row = f"{read:,}", f"{each:.0f}", f"{took * 1000:,.0f}"
                    table.add_row(name, NAMES[form], *row)
    Console(width=100).print(f"{chosen.instances} instances with {chosen.routes} routes", table)


if __name__ == "__main__":
    main()
