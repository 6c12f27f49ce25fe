"""Two Prometheus replicas under Thanos, natively: what docker-compose.thanos.yml runs.

with thanos_running(run_dir, targets={"etter": ["127.0.0.1:8000"]}) as thanos:
    httpx.get(f"{thanos.querier}/api/v1/query", params={"query": "up"})
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stack import engines
from stack.build import binary, ensure
from stack.engines import address, url_of
from stack.layout import CHECKOUT, Ports, free_ports, lay_out, write_targets
from stack.processes import Program, running
from stack.versions import BUILDS

REPLICAS = ("a", "b")
_NEEDED = ("prometheus", "alertmanager", "thanos")
_CLUSTER = "local"


@dataclass(frozen=True, slots=True)
class Thanos:
    """Where it listens, and its programs by name (``prometheus-a``, ``sidecar-a``, ``ruler``)."""

    run_dir: Path
    querier: str
    ruler: str
    alertmanager: str
    replicas: tuple[str, ...]
    programs: Mapping[str, Program]

    def set_targets(self, job: str, addresses: Sequence[str]) -> None:
        """Set the instances of `job` that both replicas scrape."""
        write_targets(self.run_dir, job, addresses)


@contextmanager
def thanos_running(
    run_dir: Path,
    *,
    targets: Mapping[str, Sequence[str]] | None = None,
    webhook: str | None = None,
    ruler_rules: str = "",
    config_root: Path = CHECKOUT,
) -> Iterator[Thanos]:
    """Run it in `run_dir` within the block; missing programs are built.

    Args:
        run_dir: folder of configuration, data, bucket and logs.
        targets: job → host:port of each instance that both replicas scrape.
        webhook: the URL that Alertmanager's default receiver posts to.
        ruler_rules: what `etter-obs generate --format ruler` prints; without it the ruler has no
            rule. Its alerts go nowhere, because those of the replicas go to Alertmanager.
        config_root: the project whose configuration is used.

    Raises:
        NotReadyError: a program did not start.
    """
    ensure(build for build in BUILDS if build.name in _NEEDED)
    run_dir = run_dir.absolute()
    thanos = _lay_out(run_dir, config_root, targets or {}, webhook, ruler_rules)
    with running(*thanos.programs.values()):
        yield thanos


def _lay_out(
    run_dir: Path,
    config_root: Path,
    targets: Mapping[str, Sequence[str]],
    webhook: str | None,
    ruler_rules: str,
) -> Thanos:
    ports = Ports.free()
    lay_out(run_dir, config_root, ports, ("alertmanager",), targets, webhook)
    bucket, data, logs = run_dir / "bucket", run_dir / "data", run_dir / "logs"
    bucket.mkdir(exist_ok=True)
    (run_dir / "ruler.yml").write_text(ruler_rules or "groups: []\n", encoding="utf-8")
    free = itertools.filterfalse({ports.alertmanager}.__contains__, free_ports())
    store_in = json.dumps({"type": "FILESYSTEM", "config": {"directory": str(bucket)}})
    programs: dict[str, Program] = {}
    endpoints: list[str] = []

    def thanos(name: str, role: str, *options: str, is_store: bool = True) -> str:
        http, grpc = url_of(free), url_of(free) if is_store else None
        if grpc:
            endpoints.append(f"--endpoint={address(grpc)}")
        programs[name] = engines.thanos(name, role, logs, http, grpc, *options)
        return http

    replicas = []
    for replica in REPLICAS:
        port = next(free)
        replicas.append(f"http://127.0.0.1:{port}")
        name, folder = f"prometheus-{replica}", data / f"prometheus-{replica}"
        programs[name] = Program(
            name,
            [
                binary("prometheus"),
                "--config.file=config/prometheus/replica.yml",
                f"--storage.tsdb.path={folder}",
                # The sidecar uploads blocks, so Prometheus must not compact them.
                "--storage.tsdb.min-block-duration=2h",
                "--storage.tsdb.max-block-duration=2h",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-lifecycle",
                "--enable-feature=exemplar-storage",
            ],
            f"http://127.0.0.1:{port}/-/ready",
            logs / f"{name}.log",
            {"CLUSTER": _CLUSTER, "REPLICA": replica},
            run_dir,
        )
        thanos(
            f"sidecar-{replica}",
            "sidecar",
            f"--prometheus.url=http://127.0.0.1:{port}",
            f"--tsdb.path={folder}",
            f"--objstore.config={store_in}",
        )
    alertmanager = f"127.0.0.1:{ports.alertmanager}"
    programs["alertmanager"] = Program(
        "alertmanager",
        [
            binary("alertmanager"),
            "--config.file=alerts/alertmanager.yml",
            f"--storage.path={data / 'alertmanager'}",
            "--data.maintenance-interval=1m",
            f"--web.listen-address={alertmanager}",
            "--cluster.listen-address=",
        ],
        f"http://{alertmanager}/-/ready",
        logs / "alertmanager.log",
        cwd=run_dir / "config",
    )
    thanos("store", "store", f"--data-dir={data / 'store'}", f"--objstore.config={store_in}")
    thanos(
        "compact",
        "compact",
        "--wait",
        f"--data-dir={data / 'compact'}",
        f"--objstore.config={store_in}",
        is_store=False,
    )
    querier = url_of(free)
    ruler = thanos(
        "ruler",
        "rule",
        f"--data-dir={data / 'ruler'}",
        f"--rule-file={run_dir / 'ruler.yml'}",
        f"--query={querier}",
        '--label=replica="ruler"',
        "--alert.label-drop=replica",
        "--eval-interval=30s",
        f"--objstore.config={store_in}",
    )
    programs["querier"] = engines.querier(logs, querier, free, *endpoints)
    return Thanos(run_dir, querier, ruler, f"http://{alertmanager}", tuple(replicas), programs)
