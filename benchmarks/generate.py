"""Time of `generate` for a spec of 300 SLOs: read, plan, write.

python -m benchmarks.generate
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

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


def spec() -> str:
    """A valid spec of so many SLOs, of three kinds, each with all four tiers' rules."""
    head = "version: 1\nservice: shop\nenvironment: production\nteam: shop\nmetric_prefix: etter\n"
    receiver = "{ webhook: { url_file: secrets/alertmanager/webhook-url } }"
    lines = [
        f"  - {{ name: s{number}, description: It holds., objective: 99%, "
        f"sli: {SLIS[number % len(SLIS)]}, alerting: burn-rate }}"
        for number in range(SLOS)
    ]
    receivers = f"receivers: {{ page: {receiver}, ticket: {receiver} }}\n"
    return head + "period: 30d\n" + receivers + "slos:\n" + "\n".join(lines) + "\n"


def main() -> None:
    """Print the least of a few rounds, in processor and wall time."""
    text = spec()
    times = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            wall, cpu = time.perf_counter(), time.process_time()
            changes = plan(parse_specs(text, "slo.yaml")).changes(Path(folder))
            write(Path(folder), changes)
            times.append((time.perf_counter() - wall, time.process_time() - cpu, len(changes)))
    wall, cpu, files = min(times)
    print(f"{SLOS} SLOs, {files} files: {wall:.2f} s, of which processor {cpu:.2f} s")


if __name__ == "__main__":
    main()
