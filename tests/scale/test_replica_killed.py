"""Two Prometheus replicas under Thanos watch the demo's backend; one is away during a fault."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from demo.backend import Backend, backend_running
from demo.receiver import Receiver
from etter_obs._internal.conventions import Alert, Rule
from etter_obs._internal.generate.clusters import ruler_rules
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.prometheus.api import Prometheus
from examples.etter_backend.cache.embedded import redis_server
from stack.layout import CHECKOUT
from stack.thanos import Thanos, thanos_running
from tests.prometheus import value_of
from tests.services import free_port
from tests.waiting import eventually, lasting

pytestmark = [pytest.mark.scale, pytest.mark.e2e]

AWAY_S = 180
PAGE = Alert.burn_rate("page", "1h")
ROUTE = "/api/etter/companies/search?q=ac"
SLO = 'service="etter",environment="production",slo="availability"'


class Load:
    """Asks one route at an even pace within the block; ``answers`` counts each status."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[int] = Counter()
        self._url, self._over = url, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Stop asking, and wait for the last answer."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        # uvicorn drops the connection after an unhandled exception, so none is used twice
        with httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=30) as client:
            while not self._over.wait(0.1):
                self.answers[client.get(self._url).status_code] += 1


@contextmanager
def watched(folder: Path) -> Iterator[tuple[Thanos, Backend, Receiver]]:
    """Run receiver, Thanos and its replicas, Redis and the backend."""
    port = free_port()
    with ExitStack() as parts:
        receiver = parts.enter_context(Receiver())
        thanos = parts.enter_context(
            thanos_running(
                folder / "thanos",
                webhook=receiver.url,
                ruler_rules=ruler_rules([load_spec(CHECKOUT / "slo.yaml")]),
            )
        )
        backend = parts.enter_context(
            backend_running(
                folder / "backend",
                port=port,
                REDIS_URL=parts.enter_context(redis_server(free_port())),
                ENVIRONMENT="production",
            )
        )
        thanos.set_targets("etter", [f"127.0.0.1:{port}"])
        yield thanos, backend, receiver


@pytest.mark.timeout(1500)
def test_a_page_arrives_once_and_no_event_is_lost(tmp_path: Path) -> None:
    """One of two replicas is killed for three minutes of a fault; nobody notices.

    The page is delivered once, and counts and budget from the querier, from `slo report` and from
    the ruler are within 1 % of the requests that were made.
    """
    with watched(tmp_path) as (thanos, backend, receiver):
        value = partial(value_of, Prometheus(thanos.querier))

        def counted(rule: str) -> float:
            return value(f"sum(sum_over_time({rule}{{{SLO}}}[1d]))") or 0.0

        # A replica counts from its first scrape on, and the querier may show either.
        for replica in thanos.replicas:
            sees = partial(value_of, Prometheus(replica), 'count(up{job="etter"} == 1)')
            eventually(sees, deadline_s=90, every_s=1)
        with Load(backend.base_url + ROUTE) as load:
            eventually(lambda: counted(Rule.TOTAL_INCREASE) > 100, deadline_s=180, every_s=2)
            backend.break_("companies", error_share=1.0)
            broken = time.time()
            thanos.programs["prometheus-a"].kill()
            lasting(AWAY_S)
            thanos.programs["prometheus-a"].start()
            thanos.programs["prometheus-a"].wait()
            backend.repair("companies")
            load.end()
        switched = 2  # breaking and mending are requests to a known route too
        total, bad = sum(load.answers.values()) + switched, load.answers[500]
        print(f"\n  requests {total}, failed {bad}")

        def settled() -> bool:
            return abs(counted(Rule.TOTAL_INCREASE) - total) <= 0.01 * total

        eventually(settled, deadline_s=120, every_s=3, tell=lambda: counted(Rule.TOTAL_INCREASE))
        print(f"  querier: {counted(Rule.TOTAL_INCREASE):g}, {counted(Rule.BAD_INCREASE):g}")
        assert counted(Rule.TOTAL_INCREASE) == pytest.approx(total, rel=0.01)
        assert counted(Rule.BAD_INCREASE) == pytest.approx(bad, rel=0.01)

        spent = bad / total / 0.001
        told = report(thanos.querier)
        print(f"  budget left: true {1 - spent:.3f}, slo report {told:.3f}", end="")
        assert 1 - told == pytest.approx(spent, rel=0.01)
        of_ruler = eventually(
            lambda: by_ruler(value, spent), deadline_s=300, every_s=5, tell=lambda: by_ruler(value)
        )
        print(f", ruler {of_ruler:.3f}")

        pages = [each for each in receiver.deliveries if each.name == PAGE]
        assert {each.slo for each in pages} == {"availability"}
        fired = [each for each in pages if each.status == "firing"]
        assert len({each.starts_at for each in fired}) == 1
        assert len(fired) == 1
        print(f"  {PAGE}: delivered once, {fired[0].received - broken:.0f} s after the fault")


def report(querier: str) -> float:
    """Return the budget left of availability as `etter-obs slo report` tells it."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "etter_obs",
            "slo",
            "report",
            "--prometheus",
            querier,
            "--format",
            "json",
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    [slo] = [one for one in json.loads(done.stdout)["slos"] if one["name"] == "availability"]
    return float(slo["budget_left"])


def by_ruler(value: Callable[[str], float | None], spent: float | None = None) -> float | None:
    """Return the ruler's budget, which no cluster records; with ``spent`` only if it is right."""
    found = value(f'{Rule.BUDGET_REMAINING}{{{SLO},cluster=""}}')
    if found is None or spent is None:
        return found
    return found if 1 - found == pytest.approx(spent, rel=0.01) else None
