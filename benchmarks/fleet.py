"""What the rules of a fleet read and take, by form: 200 instances with 100 routes each.

    python -m benchmarks.fleet [--instances 200] [--routes 100]

A Prometheus holds six minutes of the request counters of such a fleet: one series of good and one
of failed requests for each instance and route. The two base recordings of an availability SLO are
evaluated once for each form of ``engine`` and ``rule_form``. Samples are Prometheus's own query
statistics. Time is the CPU time of its process, the mean of three evaluations, so that other load
on the machine matters little. All other rules read recordings, whose number does not grow with the
fleet.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from etter_obs._internal.slo.kinds.base import SliExpressions
from etter_obs._internal.slo.loading.loader import load_spec
from stack.build import binary
from stack.layout import Ports

SCRAPE, HISTORY, TRIES = 15, 360, 3
FORMS = {
    "anchored": "engine: prometheus",
    "differences": "engine: thanos",
    "portable": "rule_form: portable",
}
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


def exposition(instances: int, routes: int, end: int) -> Iterator[str]:
    """Yield the fleet's counters in OpenMetrics, series by series."""
    times = range(end - HISTORY, end + 1, SCRAPE)
    for instance in range(instances):
        for route in range(routes):
            for status, rate in (("200", 3), ("500", 1)):
                head = (
                    f'etter_requests_total{{job="fleet",environment="bench",instance="i{instance}",'
                    f'method="GET",endpoint="/r{route}",status="{status}"}} '
                )
                yield "".join(f"{head}{n * rate} {at}\n" for n, at in enumerate(times))
    yield "# EOF\n"


def expressions(folder: Path, form: str) -> SliExpressions:
    """Return the base recordings of one form."""
    file = folder / "slo.yaml"
    file.write_text(SPEC.format(form=form))
    spec = load_spec(file)
    [slo] = spec.slos
    return slo.sli.kind.expressions(spec, slo)


def samples(url: str, expression: str, at: int) -> int:
    """Return the samples that an instant query reads."""
    query = urllib.parse.urlencode({"query": expression, "time": at, "stats": "all"})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=300) as answer:
        return int(json.load(answer)["data"]["stats"]["samples"]["totalQueryableSamples"])


def cpu(process: subprocess.Popen[bytes]) -> float:
    """Return the CPU seconds that a process has used."""
    used = psutil.Process(process.pid).cpu_times()
    return used.user + used.system


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--routes", type=int, default=100)
    chosen = parser.parse_args()
    end = int(time.time()) // 30 * 30
    table = Table("form", "samples each time", "per series", "CPU ms each time")
    with tempfile.TemporaryDirectory(prefix="etter-obs-fleet-") as name:
        folder = Path(name)
        with (folder / "fleet.om").open("w") as file:
            file.writelines(exposition(chosen.instances, chosen.routes, end))
        promtool = [str(binary("promtool")), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
        subprocess.run([*promtool, str(folder / "fleet.om"), str(folder / "data")], check=True)
        (folder / "prometheus.yml").write_text("{}\n")
        port = Ports.free().prometheus
        url = f"http://127.0.0.1:{port}"
        command = [str(binary("prometheus")), f"--config.file={folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", "--log.level=error"]
        with subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"]) as process:
            try:
                while not is_ready(url):
                    time.sleep(0.2)
                for form, line in FORMS.items():
                    parts = expressions(folder, line)
                    before = cpu(process)
                    for _ in range(TRIES):
                        read = sum(samples(url, one, end) for one in (parts.total, parts.bad))
                    took = (cpu(process) - before) / TRIES
                    each = read / (chosen.instances * chosen.routes * 2)
                    table.add_row(form, f"{read:,}", f"{each:.0f}", f"{took * 1000:,.0f}")
            finally:
                process.terminate()
    Console(width=100).print(f"{chosen.instances} instances with {chosen.routes} routes", table)


def is_ready(url: str) -> bool:
    """Return whether Prometheus answers."""
    try:
        return httpx.get(f"{url}/-/ready", timeout=2).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
