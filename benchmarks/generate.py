"""Time of `generate` for a spec of 300 SLOs: read, plan, write.

python -m benchmarks.generate
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from etter_obs._internal.generate.plan import plan
from etter_obs._internal.generate.writer import write
from etter_obs._internal.slo.loading.loader import parse_specs

SLOS = 300
ROUNDS = 5
SLIS = (
    "{ requests: { bad_status: 5xx } }",
    "{ latency: { threshold: 500ms } }",
    "{ ratio: { good: cache_hits_total, bad: cache_misses_total } }",
)


def spec(slos: int) -> str:
    """Return a valid spec of so many SLOs, of three kinds, each with all four tiers' rules."""
    head = "version: 1\nservice: shop\nenvironment: production\nteam: shop\nmetric_prefix: etter\n"
    receiver = "{ webhook: { url_file: secrets/alertmanager/webhook-url } }"
    lines = [
        f"  - {{ name: s{number}, description: It holds., objective: 99%, "
        f"sli: {SLIS[number % len(SLIS)]}, alerting: burn-rate }}"
        for number in range(slos)
    ]
    receivers = f"receivers: {{ page: {receiver}, ticket: {receiver} }}\n"
    return head + "period: 30d\n" + receivers + "slos:\n" + "\n".join(lines) + "\n"


class Generated(NamedTuple):
    """One generation: seconds on the wall clock and of CPU time, and the number of files."""

    wall: float
    cpu: float
    files: int


def generate(slos: int) -> Generated:
    """Generate all files of a spec of so many SLOs into an empty folder."""
    text = spec(slos)
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        changes = plan(parse_specs(text, "slo.yaml")).changes(Path(folder))
        write(Path(folder), changes)
        return Generated(time.perf_counter() - wall, time.process_time() - cpu, len(changes))


def main() -> None:
    """Print the least of a few rounds, in CPU and wall time."""
    least = min(generate(SLOS) for _ in range(ROUNDS))
    print(f"{SLOS} SLOs, {least.files} files: {least.wall:.2f} s, {least.cpu:.2f} s of CPU time")


if __name__ == "__main__":
    main()
