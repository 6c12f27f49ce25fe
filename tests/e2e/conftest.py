"""One real stack and one real backend for all end-to-end tests that only look at them.

`observed` has one worker and every trace sampled; `observed_under_load` is the same one after a
load that used every route in every way. Tests that break the backend start one of their own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from demo.backend import Backend, backend_running
from demo.databases import free_port
from demo.measurements import DemoQueries
from demo.processes import child
from demo.receiver import Receiver
from etter_obs._internal.conventions import REQUESTS, UNMATCHED, WEBSOCKET_DURATION, Label
from etter_obs._internal.slo.prometheus.api import Prometheus
from examples.etter_backend.cache.embedded import redis_server
from stack.native import Stack, running
from tests.e2e.load import use_everything
from tests.waiting import eventually


@dataclass(frozen=True, slots=True)
class Observed:
    """A backend, the stack that watches it, and the receiver that its alerts reach."""

    stack: Stack
    backend: Backend
    receiver: Receiver

    @property
    def base_url(self) -> str:
        """Where the backend listens, e.g. ``http://127.0.0.1:8000``."""
        return self.backend.base_url

    @property
    def stdout(self) -> Path:
        """File that takes the backend's standard output: its log lines."""
        assert self.backend.stdout is not None
        return self.backend.stdout


@contextmanager
def observing(run_dir: Path, *, workers: int = 1, **environment: str) -> Iterator[Observed]:
    """Start receiver, stack, Redis and backend, each on free ports, for the length of the block."""
    port = free_port()
    with ExitStack() as parts:
        receiver = parts.enter_context(Receiver())
        stack = parts.enter_context(running(run_dir / "stack", webhook=receiver.url))
        backend = parts.enter_context(
            backend_running(
                run_dir / "backend",
                port=port,
                workers=workers,
                REDIS_URL=parts.enter_context(redis_server(free_port())),
                APM_ENABLED="true",
                OTLP_ENDPOINT=stack.otlp_grpc,
                ENVIRONMENT="production",
                ADJACENCY_EXPIRATION_SECONDS="5",  # so that the model service is asked again
                **environment,
            )
        )
        stack.set_targets("etter", [f"127.0.0.1:{port}"])
        yield Observed(stack, backend, receiver)


@contextmanager
def load(observed: Observed, run_dir: Path, users: int) -> Iterator[None]:
    """The demo's users, by locust, for the length of the block."""
    command = [sys.executable, "-m", "locust", "-f", "demo/locustfile.py", "--headless"]
    command += ["--users", str(users), "--spawn-rate", "20", "--host", observed.base_url]
    with child("locust", command, log_dir=run_dir, env={"PATH": os.environ["PATH"]}):
        yield


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """A quiet backend whose every trace is kept."""
    run_dir = tmp_path_factory.mktemp("observed")
    with observing(run_dir, OTEL_TRACES_SAMPLER_ARG="1.0") as started:
        yield started


@pytest.fixture(scope="module")
def observed_under_load(
    observed: Observed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Observed]:
    """The same backend after every route was used in every way, and with users still on it."""
    prometheus = DemoQueries(observed.stack.prometheus)
    # What happens before the first scrape is in no increase, so no alert would tell of it.
    eventually(prometheus.sees_the_app, deadline_s=60, every_s=1)
    # A series whose every event was there at its first scrape has no rate, so each comes twice.
    use_everything(observed.backend)
    last = f"{WEBSOCKET_DURATION.name('etter')}_count > 0"
    eventually(lambda: _found(observed, last), deadline_s=60, every_s=1)
    use_everything(observed.backend)
    with load(observed, tmp_path_factory.mktemp("load"), users=10):
        eventually(lambda: _has_rates(observed), deadline_s=120, every_s=2)
        yield observed


def _has_rates(observed: Observed) -> bool:
    """Whether Prometheus saw requests grow, and those to no route, whose series is a new one."""
    httpx.get(f"{observed.base_url}/no/such/path", timeout=10)
    requests = REQUESTS.name("etter")
    return _found(
        observed,
        f"sum(rate({requests}[1m])) > 1 and "
        f'sum(rate({requests}{{{Label.ENDPOINT}="{UNMATCHED}"}}[1m])) > 0',
    )


def _found(observed: Observed, expression: str) -> bool:
    return bool(Prometheus(observed.stack.prometheus).instant(expression, time.time()))
