"""The native stack for other programs: start it, read its addresses, stop it.

with running(run_dir, targets={"etter": ["127.0.0.1:8000"]}) as stack:
httpx.get(f"{stack.prometheus}/api/v1/query", params={"query": "up"})
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from honcho.environ import parse_procfile

from stack.build import binary, destination, ensure
from stack.layout import CHECKOUT, Ports, copy_config, write_targets
from stack.processes import end
from stack.versions import BUILDS, NATIVE

_PROCFILE = Path(__file__).parent / "Procfile"
READY_TIMEOUT = 60.0  # seconds; with a warm cache it takes a few
_STOP_TIMEOUT = 15.0  # honcho kills after 5


class StackError(RuntimeError):
    """The stack did not start, or is not running; the message says which part and why."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The addresses of a running stack, all on loopback; URLs have no trailing slash."""

    run_dir: Path
    config_root: Path
    prometheus: str
    alertmanager: str
    loki: str
    tempo: str  # Tempo's API, of Tempo or of the trace store in its place
    grafana: str
    node_exporter: str
    otlp_grpc: str  # host:port, as OTLP_ENDPOINT takes it
    otlp_http: str
    collector_health: str
    collector_metrics: str
    traces_file: Path
    pids: dict[str, int]

    @classmethod
    def at(cls, run_dir: Path, config_root: Path, ports: Ports, pids: Mapping[str, int]) -> Stack:
        """Return the stack of a run directory, from its ports."""
        url = {name: f"http://127.0.0.1:{port}" for name, port in asdict(ports).items()}
        return cls(
            run_dir=run_dir,
            config_root=config_root,
            prometheus=url["prometheus"],
            alertmanager=url["alertmanager"],
            loki=url["loki"],
            tempo=url["tempo"],
            grafana=url["grafana"],
            node_exporter=url["node_exporter"],
            otlp_grpc=f"127.0.0.1:{ports.otlp_grpc}",
            otlp_http=url["otlp_http"],
            collector_health=url["collector_health"],
            collector_metrics=f"{url['collector_metrics']}/metrics",
            traces_file=run_dir / "data/traces.jsonl",
            pids=dict(pids),
        )

    @classmethod
    def load(cls, run_dir: Path) -> Stack:
        """Return the stack that runs in `run_dir`. Raises StackError if none does."""
        try:
            held: dict[str, Any] = json.loads(_state(run_dir).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StackError(
                f"no stack runs in {run_dir}; `python -m stack up` starts one"
            ) from None
        for name in ("run_dir", "config_root", "traces_file"):
            held[name] = Path(held[name])
        return cls(**held)

    def ready_url(self, component: str) -> str:
        """Return the URL that answers 200 once a component works."""
        return {
            "prometheus": f"{self.prometheus}/-/ready",
            "alertmanager": f"{self.alertmanager}/-/ready",
            "collector": self.collector_health,
            "loki": f"{self.loki}/ready",
            "node_exporter": self.node_exporter,
            "tempo": f"{self.tempo}/ready",
            "grafana": f"{self.grafana}/api/health",
        }[component]

    def as_json(self) -> str:
        """Return the content of stack.json."""
        return json.dumps(asdict(self), default=str, indent=2) + "\n"

    def set_targets(self, job: str, addresses: Sequence[str]) -> None:
        """Set the instances of `job` (host:port each); Prometheus needs no reload."""
        write_targets(self.run_dir, job, addresses)

    def reload(self) -> None:
        """Copy the configuration again and reload Prometheus and Alertmanager.

        Raises httpx.HTTPError if a program rejects it.
        """
        copy_config(self.config_root, self.run_dir)
        for name in ("prometheus", "alertmanager"):
            if name in self.pids:
                httpx.post(f"{getattr(self, name)}/-/reload", timeout=10).raise_for_status()


@contextmanager
def running(
    run_dir: Path,
    *,
    ports: str = "free",
    targets: Mapping[str, Sequence[str]] | None = None,
    webhook: str | None = None,
    only: Sequence[str] = NATIVE,
    late: Sequence[str] = (),
    config_root: Path = CHECKOUT,
) -> Iterator[Stack]:
    """Run the stack in `run_dir` within the block; build missing programs first.

    Args:
        run_dir: folder of configuration copies, data and logs; existing data is used again.
        ports: "free" for any, "default" for those that compose publishes.
        targets: job → host:port of each instance that Prometheus scrapes.
        webhook: the URL that Alertmanager's default receiver posts to.
        only: the components to run.
        late: those of them that another process still builds; each starts when it is built, and
            nothing waits for it.
        config_root: the project whose configuration is used.

    Raises:
        StackError: it is not ready within a minute; the message contains the end of its log.

    The stack ends with the block, and with this process however it ends.
    """
    ensure(build for build in BUILDS if build.name in only and build.name not in late)
    run_dir = run_dir.absolute()
    (run_dir / "logs").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "stack", "up", "--lifeline", f"--dir={run_dir}"]
    command += [f"--ports={ports}", f"--only={','.join(only)}", f"--config-root={config_root}"]
    command += [f"--late={name}" for name in late]
    command += [f"--webhook={webhook}"] if webhook else []
    for job, addresses in (targets or {}).items():
        command += [f"--target={job}={address}" for address in addresses]
    _state(run_dir).unlink(missing_ok=True)
    with (run_dir / "logs/stack.log").open("w") as log:
        supervisor = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        yield wait(run_dir, supervisor)
    finally:
        end(supervisor, _STOP_TIMEOUT)
        if supervisor.stdin:
            supervisor.stdin.close()


def wait(
    run_dir: Path, supervisor: subprocess.Popen[bytes] | None = None, within: float = READY_TIMEOUT
) -> Stack:
    """Wait until the stack in `run_dir` is ready.

    Raises StackError after `within` seconds, or when `supervisor` has ended.
    """
    deadline = time.monotonic() + within
    while not _state(run_dir).exists():
        if supervisor and supervisor.poll() is not None:
            raise StackError(f"the stack did not start:\n{_tail(run_dir)}")
        if time.monotonic() > deadline:
            raise StackError(
                f"the stack in {run_dir} is not ready after {within:.0f} s:\n{_tail(run_dir)}"
            )
        time.sleep(0.1)
    return Stack.load(run_dir)


def commands(only: Sequence[str]) -> dict[str, str]:
    """Return the shell command of each component, from the Procfile.

    The program replaces the shell, so that signals reach it. `layout.environment` has the variables
    that a command reads.
    """
    found = parse_procfile(_PROCFILE.read_text(encoding="utf-8")).processes
    return {
        name: command if " exec " in command else f"exec {command}"
        for name, command in found.items()
        if name in only
    }


def programs(only: Sequence[str], late: Sequence[str]) -> dict[str, Path]:
    """Return the program of each component in `only`.

    Missing ones are built, except those in `late`.
    """
    found = {}
    for build in BUILDS:
        if build.name in only:
            name = next(iter(build.packages))
            found[build.name] = destination(name) if build.name in late else binary(name)
    return found


def _state(run_dir: Path) -> Path:
    return run_dir / "stack.json"


def _tail(run_dir: Path) -> str:
    log = run_dir / "logs/stack.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:]) if log.exists() else ""
