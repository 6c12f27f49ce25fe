"""The app breaks; the right page is delivered for the right SLO, and so is its resolution."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

import pytest

from demo.processes import ROOT
from demo.receiver import Delivery
from etter_obs._internal.conventions import Alert, Dashboard
from etter_obs._internal.dashboards.lint.rendered_queries import panel_queries
from etter_obs._internal.slo.prometheus.api import Prometheus
from tests.e2e.conftest import Observed, load, observing
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.waits]

PAGE = Alert.burn_rate("page", "1h")
STEP_S = 60
"""How far apart the points of an annotation are in a view of an hour."""
RESTORING_S = 60
"""A Prometheus that has just started sends alerts from its first evaluation on, and writes them
down when it has looked for those of its last run: after the second."""


@pytest.mark.timeout(900)
def test_a_breach_is_paged_and_its_end_is_delivered(tmp_path: Path) -> None:
    """A group of routes that fails pages for availability alone, by the fast tier, and resolves.

    Dashboards mark where it began, once. The rules and the routing are the shipped ones, on the
    real Prometheus and Alertmanager, two workers behind one port.
    """
    with observing(tmp_path, workers=2) as observed, load(observed, tmp_path, users=20):
        receiver = observed.receiver

        def pages(status: str, since: float) -> list[Delivery]:
            return [
                each
                for each in receiver.deliveries
                if each.labels.get("severity") == "page"
                and each.status == status
                and each.received >= since
            ]

        def fast(status: str, since: float) -> Delivery | None:
            return next((each for each in pages(status, since) if each.name == PAGE), None)

        broken_at = time.time()
        observed.backend.break_("companies", error_share=1.0)
        page = eventually(
            lambda: fast("firing", broken_at),
            deadline_s=180,
            every_s=1,
            tell=lambda: receiver.deliveries,
        )
        assert page.slo == "availability"
        assert page.labels["service"] == "etter"
        assert page.labels["environment"] == "production"
        assert page.labels["tier"] == "page-1h"
        assert page.labels["team"] == "etter-backend"
        assert page.annotations["runbook"]

        fixed_at = time.time()
        observed.backend.repair("companies")
        resolution = eventually(
            lambda: fast("resolved", fixed_at),
            deadline_s=480,
            every_s=1,
            tell=lambda: receiver.deliveries,
        )
        assert resolution.labels == page.labels
        assert resolution.starts_at == page.starts_at
        # 5 minutes of exact events, one evaluation and one group interval; with averaged rates 10.
        assert resolution.received - fixed_at < 420
        assert {each.slo for each in pages("firing", broken_at)} == {"availability"}
        written = first_written(observed)
        fired = datetime.fromisoformat(page.starts_at).timestamp()
        assert 0 <= round(written - fired, 3) <= RESTORING_S
        [marked] = marks(observed, broken_at)
        assert 0 <= marked - written <= STEP_S


def first_written(observed: Observed) -> float:
    """Return when Prometheus first stored that the page fires."""
    written = f'ALERTS{{alertname="{PAGE}",alertstate="firing"}}[20m]'
    [series] = Prometheus(observed.stack.prometheus).instant(written, time.time())
    return min(series.values)


def marks(observed: Observed, since: float) -> list[float]:
    """When the Service dashboard marks the page, as Grafana would ask from ``since`` on."""
    board = json.loads((ROOT / Dashboard.SERVICE.path).read_text())
    [query] = [
        each
        for each in panel_queries(board, {"__interval": f"{STEP_S}s", "__rate_interval": "75s"})
        if each.panel == "annotation Alerts"
    ]
    prometheus = Prometheus(observed.stack.prometheus)
    return [
        at
        for series in prometheus.range(query.expr, since, time.time(), STEP_S)
        if series.labels["alertname"] == PAGE
        for at in series.values
    ]
