"""A real stack whose components can be killed one by one, an app that it observes, and load."""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from etter_obs._internal.conventions import TELEMETRY_DROPPED
from etter_obs._internal.slo.prometheus.api import Prometheus
from stack.build import ensure
from stack.layout import CHECKOUT, Ports, environment, lay_out
from stack.native import Stack, commands, programs
from stack.processes import Program
from stack.processes import running as started
from stack.versions import BUILDS
from tests.prometheus import value_of
from tests.servers import Running, running
from tests.services import Receiver, otlp_grpc_receiver
from tests.waiting import eventually

SERVICE = "etter"
BAD_EACH = 10
"""Every tenth request fails."""
LOKI_PAGE = 5000
SMALL_DISK = "640m"
"""Prometheus reserves 512 MB before it writes a block, and a snapshot is one."""
FIRES_S = 120
"""An alert without a delay fires within it: two scrapes, and an evaluation a minute."""
SETTLED_S = 90
"""What the collector still holds after a fault arrives within it: its retries wait up to 30 s."""


@dataclass(frozen=True)
class Stage:
    """The stack's addresses, and its programs by name."""

    stack: Stack
    programs: Mapping[str, Program]
    tempo: Receiver
    """Stands where Tempo is, which cannot be built here: it takes OTLP and keeps the spans."""

    @property
    def prometheus(self) -> Prometheus:
        """A client of the stack's Prometheus."""
        return Prometheus(self.stack.prometheus)

    def value(self, expression: str) -> float | None:
        """Return the value of an instant query now, None if there is none."""
        return value_of(self.prometheus, expression)

    def counted(self, component: str, name: str) -> float:
        """Return a counter that the collector or another program exposes, over all its labels."""
        url = {
            "collector": self.stack.collector_metrics,
            "prometheus": f"{self.stack.prometheus}/metrics",
            "alertmanager": f"{self.stack.alertmanager}/metrics",
        }[component]
        return exposed(url, name)

    def fires(self, *alerts: str) -> tuple[str, ...]:
        """Wait until Prometheus fires each of the alerts, and return them."""

        def silent() -> set[str]:
            answer = httpx.get(f"{self.stack.prometheus}/api/v1/alerts", timeout=10)
            found = answer.json()["data"]["alerts"]
            firing = {one["labels"]["alertname"] for one in found if one["state"] == "firing"}
            return set(alerts) - firing

        eventually(lambda: not silent(), deadline_s=FIRES_S, every_s=1, tell=silent)
        return alerts

    def own_disk(self, name: str) -> Path:
        """Return the folder of the file system that only a component sees."""
        process = self.programs[name].process
        assert process is not None
        return Path(f"/proc/{process.pid}/root{self.stack.run_dir}/data/{name}")

    def watch(self, *apps: App) -> None:
        """Have Prometheus scrape the apps; return when it has, so that no request is missed."""
        self.stack.set_targets(SERVICE, [app.server.url.removeprefix("http://") for app in apps])
        up = f'count(up{{job="{SERVICE}"}} == 1)'
        eventually(lambda: self.value(up) == len(apps), deadline_s=90, every_s=1)

    def lines(self, since: float, until: float) -> set[tuple[str, str, str]]:
        """Return every line of the service in Loki: time in ns, request id, text."""
        found: set[tuple[str, str, str]] = set()
        start = int(since * 1e9)
        while True:
            answer = httpx.get(
                f"{self.stack.loki}/loki/api/v1/query_range",
                params={
                    "query": f'{{service_name="{SERVICE}"}}',
                    "start": start,
                    "end": int(until * 1e9),
                    "limit": LOKI_PAGE,
                    "direction": "forward",
                },
                timeout=30,
            )
            answer.raise_for_status()
            page = [
                (at, stream["stream"].get("request_id", ""), text)
                for stream in answer.json()["data"]["result"]
                for at, text in stream["values"]
            ]
            found.update(page)
            if len(page) < LOKI_PAGE:
                return found
            start = max(int(at) for at, _, _ in page)


@contextmanager
def staged(
    run_dir: Path,
    *only: str,
    webhook: str | None = None,
    small_disk: str | None = None,
    option: str = "",
    later: str | None = None,
    **variables: str,
) -> Iterator[Stage]:
    """Run components of the stack in ``run_dir``, with the collector as compose has it.

    Args:
        run_dir: folder of configuration, data and logs.
        only: the components.
        webhook: the URL that Alertmanager posts to.
        small_disk: the component whose data is on a file system of its own, of 640 MB.
        option: one more option of that component.
        later: the component that the caller starts.
        variables: those that the configurations read from the environment.
    """
    ensure(build for build in BUILDS if build.name in only)
    ports = Ports.free()
    lay_out(run_dir, CHECKOUT, ports, only, {}, webhook)
    stack = Stack.at(run_dir, run_dir / "config", ports, {})
    with otlp_grpc_receiver() as tempo:
        shared = {
            **environment(run_dir, ports, programs(only, ())),
            "TEMPO_OTLP_ADDRESS": tempo.endpoint,
            "TRACES_TO": "to-tempo",
            **variables,
        }
        made = {}
        for name, command in commands(only).items():
            shell = ["sh", "-c", command]
            if name == small_disk:
                shell = [*in_namespace(f"data/{name}"), f"{command} {option}"]
            log = run_dir / "logs" / f"{name}.log"
            made[name] = Program(name, shell, stack.ready_url(name), log, shared, run_dir)
        with started(*(program for name, program in made.items() if name != later)):
            try:
                yield Stage(stack, made, tempo)
            finally:
                if later:
                    made[later].stop()


def in_namespace(folder: str) -> list[str]:
    """Return a shell's command line in which a small file system is mounted at ``folder``.

    Only the process sees it, and it ends with the process; `own_disk` is the way in. Who is not
    root may do so as root of a user namespace.
    """
    become_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    mount = f"mkdir -p {folder} && mount -t tmpfs -o size={SMALL_DISK} none {folder}"
    return ["unshare", "--mount", *become_root, "sh", "-c", f'{mount} && eval "$0"']


def exposed(url: str, name: str) -> float:
    """Return the sum of a metric over its labels, 0 where there is none yet."""
    text = httpx.get(url, timeout=10).text
    found = re.findall(rf"^{name}(?:_total)?(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


@dataclass
class App:
    """The observed app, asked at an even pace from `start` to `rest`."""

    server: Running
    pace_s: float = 0.02
    answers: Counter[int] = field(default_factory=Counter)
    """How many requests have been answered, by status."""
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._over.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def asked(self) -> int:
        """How many requests have been answered."""
        return sum(self.answers.values())

    def until(self, more: int) -> None:
        """Wait until so many more requests have been answered."""
        goal = self.asked + more
        eventually(lambda: self.asked >= goal, deadline_s=120, every_s=0.05)

    def rest(self) -> None:
        """Stop asking, and wait for the last answer."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def written(self) -> list[dict[str, Any]]:
        """Return the lines on standard output that the app sends too, whether or not they arrived.

        What the sending thread logs about itself stays on standard output: sending it could fail.
        """
        return [line for line in self.server.lines if line["logger"] != "etter_obs.logs"]

    def dropped(self, signal: str) -> int:
        """Return how much of a signal the app says that it dropped."""
        text = self.server.get("/metrics").text
        name = TELEMETRY_DROPPED.name("etter")
        found = re.findall(rf'^{name}{{(?=.*signal="{signal}").*}} (\S+)', text, re.MULTILINE)
        return round(sum(map(float, found)))

    def _run(self) -> None:
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            while not self._over.wait(self.pace_s):
                number = self.asked + 1
                status = 500 if number % BAD_EACH == 0 else 200
                answer = client.get(f"/things/{number}", params={"status": status})
                assert answer.status_code == status
                self.answers[status] += 1


@contextmanager
def observed(stage: Stage, *, otlp: str | None = None, **variables: str) -> Iterator[App]:
    """Run the app and have Prometheus scrape it; no request is made before ``start``.

    ``otlp`` is where it sends lines and spans, by default the stage's collector.
    """
    given = {
        "APM_ENABLED": str("collector" in stage.programs).lower(),
        "OTLP_ENDPOINT": otlp or stage.stack.otlp_grpc,
        "OTEL_TRACES_SAMPLER": "always_on",
        "ENVIRONMENT": "production",
        **variables,
    }
    with running("uvicorn", "tests.drills.app:app", environment=given) as server:
        app = App(server)
        try:
            yield app
        finally:
            app.rest()
