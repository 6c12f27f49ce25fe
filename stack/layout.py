"""Lays out a run directory the way compose mounts the configuration, with loopback addresses.

RUNDIR/config/{prometheus,alerts,otel-collector,loki,…,secrets}   what the programs read
RUNDIR/{data,logs,pids}                                           what they write
"""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent

_FOLDERS = ("prometheus", "alerts", "otel-collector", "loki")
_NOT_COPIED = ("targets", "secrets")  # replaced by the addresses and secrets of this run

#: Prometheus's job for each component, and the port that it scrapes.
_SCRAPED = {
    "prometheus": ("prometheus", "prometheus"),
    "alertmanager": ("alertmanager", "alertmanager"),
    "collector": ("otel-collector", "collector_metrics"),
    "loki": ("loki", "loki"),
    "node_exporter": ("node", "node_exporter"),
    "tempo": ("tempo", "tempo"),
    "grafana": ("grafana", "grafana"),
}


class PortTakenError(RuntimeError):
    """A required port is in use; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback port of every listener; the defaults are those that compose publishes."""

    prometheus: int = 9090
    alertmanager: int = 9093
    otlp_grpc: int = 4317
    otlp_http: int = 4318
    loki: int = 3100
    loki_grpc: int = 9096
    node_exporter: int = 9100
    collector_health: int = 13133
    collector_metrics: int = 8888
    tempo: int = 3200
    tempo_otlp: int = 4319
    tempo_grpc: int = 9097
    grafana: int = 3000

    @classmethod
    def free(cls) -> Ports:
        """Return ports that are free now, below the kernel's range for clients."""
        names = [field.name for field in fields(cls)]
        return cls(**dict(zip(names, free_ports(), strict=False)))

    def require_free(self, *, grafana: bool = True) -> None:
        """Raise PortTakenError if any of them is in use; `etter-obs view` may have Grafana's."""
        needed = {name: port for name, port in asdict(self).items() if grafana or name != "grafana"}
        taken = [f"{port} ({name})" for name, port in needed.items() if not _is_free(port)]
        if taken:
            raise PortTakenError(
                f"in use on 127.0.0.1: {', '.join(taken)}; "
                "stop what listens there, or pass --ports free"
            )


def free_ports() -> Iterator[int]:
    """Yield ports that are free now, in random order, below the kernel's range for clients."""
    yield from filter(_is_free, random.sample(range(20000, 32000), 2000))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def lay_out(
    run_dir: Path,
    config_root: Path,
    ports: Ports,
    components: Iterable[str],
    targets: Mapping[str, Sequence[str]],
    webhook: str | None,
) -> None:
    """Fill RUNDIR: the configuration of `config_root`, this run's addresses, folders for data.

    Data of an earlier run under `data` is kept.
    """
    for name in ("data/loki", "data/queue", "logs", "config/secrets/alertmanager"):
        (run_dir / name).mkdir(parents=True, exist_ok=True)
    for name in ("pids", "config/prometheus/targets"):
        shutil.rmtree(run_dir / name, ignore_errors=True)
        (run_dir / name).mkdir(parents=True)
    copy_config(config_root, run_dir)
    _link_secrets(config_root, run_dir)
    for component in components:
        write_component_target(run_dir, component, ports)
    for job, addresses in targets.items():
        write_targets(run_dir, job, addresses)
    if webhook:
        write_atomically(run_dir / "config/secrets/alertmanager/webhook-url", webhook)


def copy_config(config_root: Path, run_dir: Path) -> None:
    """Copy the configuration again; remove files that the source no longer has."""
    for folder in _FOLDERS:
        source, copy = config_root / folder, run_dir / "config" / folder
        copy.mkdir(parents=True, exist_ok=True)
        for old in copy.iterdir():
            if old.name not in _NOT_COPIED:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copytree(
            source, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_NOT_COPIED)
        )


def _link_secrets(config_root: Path, run_dir: Path) -> None:
    """Let Prometheus read the project's own tokens, without a copy.

    Alertmanager gets secrets of this run, so that no alert of a trial reaches the real receivers.
    """
    link = run_dir / "config/secrets/prometheus"
    link.unlink(missing_ok=True)
    link.symlink_to(config_root.absolute() / "secrets/prometheus")


def write_component_target(run_dir: Path, component: str, ports: Ports) -> None:
    """Tell Prometheus where a component of the stack runs."""
    job, port = _SCRAPED[component]
    write_targets(run_dir, job, [f"127.0.0.1:{getattr(ports, port)}"])


def write_targets(run_dir: Path, job: str, addresses: Sequence[str]) -> None:
    """Write the targets of `job`; Prometheus rereads the file by itself."""
    path = run_dir / "config/prometheus/targets" / f"{job}.yml"
    write_atomically(path, yaml.safe_dump([{"targets": list(addresses)}]))


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old or the new file, always complete."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def environment(run_dir: Path, ports: Ports, programs: Mapping[str, Path]) -> dict[str, str]:
    """Return the environment, with the variables that Procfile and configurations read."""
    data = run_dir / "data"
    return {
        **os.environ,
        **{name.upper(): str(path) for name, path in programs.items()},
        **{f"{name.upper()}_PORT": str(port) for name, port in asdict(ports).items()},
        "OTLP_GRPC_ADDRESS": f"127.0.0.1:{ports.otlp_grpc}",
        "OTLP_HTTP_ADDRESS": f"127.0.0.1:{ports.otlp_http}",
        "COLLECTOR_HEALTH_ADDRESS": f"127.0.0.1:{ports.collector_health}",
        "COLLECTOR_QUEUE_DIR": str(data / "queue"),
        "TRACES_FILE": str(data / "traces.jsonl"),
        "LOKI_OTLP_URL": f"http://127.0.0.1:{ports.loki}/otlp",
        "LOKI_HTTP_PORT": str(ports.loki),
        "LOKI_DATA_DIR": str(data / "loki"),
    }
