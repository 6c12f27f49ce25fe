"""Drills on the metrics' way: app → Prometheus → rules → Alertmanager."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from demo.receiver import Receiver
from etter_obs._internal.conventions import REQUESTS, Alert, Rule
from tests.drills.conftest import Told
from tests.drills.stage import App, Stage, observed, staged
from tests.prometheus import on_loopback
from tests.waiting import eventually, lasting

pytestmark = [pytest.mark.drill, pytest.mark.e2e]

SLO = 'service="etter",environment="production",slo="availability"'
RAW = f'{REQUESTS.name("etter")}{{job="etter",endpoint="/things/{{number}}"'
EVALUATION_S = 30
AWAY_S = 50
"""At least one evaluation is missed."""


@dataclass(frozen=True)
class Budget:
    """Requests that were made, that Prometheus has, and that the SLO's recordings have."""

    asked: int
    raw: float
    recorded: float

    @property
    def lost(self) -> int:
        """How many requests are missing in the budget."""
        return round(self.asked - self.recorded)


def budget(stage: Stage, *apps: App) -> Budget:
    """Compare, now."""
    return Budget(
        sum(app.asked for app in apps),
        stage.value(f"sum({RAW}}})") or 0.0,
        stage.value(f"sum(sum_over_time({Rule.TOTAL_INCREASE}{{{SLO}}}[1h]))") or 0.0,
    )


def evaluations(stage: Stage) -> float:
    """Return how many evaluations of the SLO have left a sample."""
    return stage.value(f"count_over_time({Rule.OBJECTIVE}{{{SLO}}}[1h])") or 0.0


def settled(stage: Stage, *apps: App) -> Budget:
    """Return the budget once the last request is in it: a scrape and two evaluations later."""
    for app in apps:
        app.rest()
    eventually(lambda: budget(stage, *apps).raw == apps_asked(apps), deadline_s=60, every_s=1)
    before = evaluations(stage)
    eventually(lambda: evaluations(stage) >= before + 2, deadline_s=90, every_s=1)
    return budget(stage, *apps)


def apps_asked(apps: tuple[App, ...]) -> int:
    """Return how many requests all of them have answered."""
    return sum(app.asked for app in apps)


def scraped_not_recorded(stage: Stage, app: App) -> bool:
    """Return whether a scrape came after the last evaluation: the worst moment for a fault."""
    found = budget(stage, app)
    return found.recorded > 0 and found.raw - found.recorded > 100


def missed(stage: Stage) -> int:
    """Return how many evaluations have left no sample between two that have."""
    recorded = f"{Rule.OBJECTIVE}{{{SLO}}}[1h]"
    [samples] = stage.prometheus.instant(recorded, time.time())
    times = sorted(samples.values)
    return sum(round((b - a) / EVALUATION_S) - 1 for a, b in pairwise(times))


def test_prometheus_is_killed(tmp_path: Path, told: Told) -> None:
    """SIGKILL under load: no request is missing in Prometheus, few in the budget.

    Those are the requests between the last evaluation and the last scrape before the kill: fewer
    than one interval has.
    """
    with staged(tmp_path, "prometheus") as stage, observed(stage) as app:
        stage.watch(app)
        app.start()
        eventually(lambda: scraped_not_recorded(stage, app), deadline_s=120, every_s=0.5)
        stage.programs["prometheus"].kill()
        lasting(AWAY_S)
        stage.programs["prometheus"].start()
        stage.programs["prometheus"].wait()
        app.until(100)
        found = settled(stage, app)
        gaps = missed(stage)
    assert found.raw == found.asked
    assert 0 <= found.lost <= EVALUATION_S / app.pace_s
    assert gaps >= 1
    told(
        "Prometheus killed and restarted",
        f"{found.asked} requests",
        f"{found.lost} requests of the budget",
        f"Prometheus: {found.raw:.0f} requests counted, {gaps} evaluations missed",
    )


def test_node_exporter_is_killed(tmp_path: Path, told: Told) -> None:
    """Each sample that is missing is a scrape that `up` counts as failed."""
    node = 'up{job="node"}'
    with staged(tmp_path, "prometheus", "node_exporter") as stage:
        eventually(lambda: stage.value(node) == 1, deadline_s=60, every_s=1)
        stage.programs["node_exporter"].kill()
        failed = f"count_over_time(({node} == 0)[10m:1s])"
        eventually(lambda: (stage.value(failed) or 0) > 20, deadline_s=90, every_s=1)
        stage.programs["node_exporter"].start()
        eventually(lambda: stage.value(node) == 1, deadline_s=60, every_s=1)
        scrapes = stage.value(f"count_over_time({node}[10m])") or 0
        answered = stage.value(f"sum_over_time({node}[10m])") or 0
        samples = stage.value("count_over_time(node_load1[10m])") or 0
    assert 0 < scrapes - answered == scrapes - samples
    told(
        "node_exporter killed and restarted",
        f"{scrapes:.0f} scrapes",
        f"{scrapes - samples:.0f} samples of each series",
        f"Prometheus: {scrapes - answered:.0f} failed scrapes (`up`)",
    )


def test_alertmanager_is_killed(tmp_path: Path, told: Told) -> None:
    """SIGKILL, and a fault begins while it is away: one page, late; silences are kept.

    Alertmanager received what Prometheus counts as sent; the rest it counts as dropped.
    """
    with (
        Receiver() as receiver,
        staged(tmp_path, "prometheus", "alertmanager", webhook=receiver.url) as stage,
    ):
        alertmanager, sent = stage.programs["alertmanager"], "prometheus_notifications_sent"
        received = "alertmanager_alerts_received"
        eventually(lambda: receiver.deliveries, deadline_s=60, every_s=0.5)
        silence(stage)
        kept = tmp_path / "data/alertmanager/silences"
        eventually(lambda: kept.exists() and kept.stat().st_size, deadline_s=90, every_s=0.5)
        before = stage.counted("alertmanager", received)
        assert before == stage.counted("prometheus", sent)
        alertmanager.kill()
        dropped = "prometheus_notifications_dropped"
        eventually(lambda: stage.counted("prometheus", dropped), deadline_s=150, every_s=1)
        alertmanager.start()
        alertmanager.wait()
        pages = eventually(lambda: named(receiver, Alert.SERVICE_DOWN), deadline_s=150, every_s=1)
        fired = stage.fires(Alert.ALERT_DELIVERY_FAILING)
        after = before + stage.counted("alertmanager", received)
        silences = httpx.get(f"{stage.stack.alertmanager}/api/v2/silences", timeout=10).json()
        lost = stage.counted("prometheus", dropped)
        assert after == stage.counted("prometheus", sent)
    assert len(pages) == len(silences) == 1
    told(
        "Alertmanager killed and restarted",
        f"{after + lost:.0f} alerts",
        f"{lost:.0f} alerts, sent again a minute later; one page arrived, late",
        f"Prometheus: {lost:.0f} dropped",
        *fired,
    )


def silence(stage: Stage) -> None:
    """Silence something for an hour."""
    hour = 3600
    matcher = {"name": "service", "value": "other", "isRegex": False, "isEqual": True}
    body = {
        "matchers": [matcher],
        "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + hour)),
        "createdBy": "drill",
        "comment": "kept through a kill",
    }
    url = f"{stage.stack.alertmanager}/api/v2/silences"
    httpx.post(url, json=body, timeout=10).raise_for_status()


def named(receiver: Receiver, alert: str) -> list[object]:
    """Return the deliveries of an alert that fires."""
    return [one for one in receiver.deliveries if one.name == alert and one.status == "firing"]


def test_prometheus_is_out_of_disk(tmp_path: Path, told: Told) -> None:
    """Its disk is full for a while: it goes on by itself, and no request is missing afterwards.

    Its log may have a hole: then a restart loses what came after, and counts that it did. A
    snapshot has all of it.
    """
    with (
        staged(
            tmp_path, "prometheus", small_disk="prometheus", option="--web.enable-admin-api"
        ) as stage,
        observed(stage) as app,
    ):
        stage.watch(app)
        app.start()
        eventually(lambda: scraped_not_recorded(stage, app), deadline_s=120, every_s=0.5)
        disk = stage.own_disk("prometheus")
        fill(disk / "of-another-program")
        failures = "prometheus_rule_evaluation_failures"
        eventually(lambda: stage.counted("prometheus", failures), deadline_s=90, every_s=1)
        lasting(EVALUATION_S)
        (disk / "of-another-program").unlink()
        found = settled(stage, app)
        fired = stage.fires(Alert.STORAGE_FAILING, Alert.RULE_EVALUATIONS_FAILING)
        gaps, failed = missed(stage), stage.counted("prometheus", failures)
        unwritten = stage.counted("prometheus", "prometheus_tsdb_wal_writes_failed")
        url = f"{stage.stack.prometheus}/api/v1/admin/tsdb/snapshot"
        answer = httpx.post(url, timeout=30)
        assert answer.is_success, answer.text
        snapshot = answer.json()["data"]["name"]
        shutil.copytree(disk / "snapshots" / snapshot, tmp_path / "snapshot")
        shutil.copytree(disk, tmp_path / "restarted", ignore=shutil.ignore_patterns("lock"))
    with on_loopback(tmp_path, "{}", data=tmp_path / "snapshot") as again:
        assert budget(replace(stage, stack=replace(stage.stack, prometheus=again)), app) == found
    with on_loopback(tmp_path, "{}", data=tmp_path / "restarted") as again:
        restarted = replace(stage, stack=replace(stage.stack, prometheus=again))
        gone = found.recorded - budget(restarted, app).recorded
        holes = restarted.counted("prometheus", "prometheus_tsdb_wal_corruptions")
    assert found.raw == found.asked
    assert min(gaps, failed, unwritten) >= 1
    assert (gone > 0) == (holes > 0)
    told(
        "Prometheus out of disk",
        f"{found.asked} requests",
        f"{found.lost} requests of the budget; {max(gone, 0):.0f} more if it is restarted then",
        f"Prometheus: {found.raw:.0f} requests counted, {gaps} evaluations missed, "
        f"{unwritten:.0f} writes failed, {holes:.0f} holes found at the restart",
        *fired,
    )


def fill(file: Path) -> None:
    """Take all the space that the disk has left."""
    left = os.statvfs(file.parent)
    with file.open("wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, left.f_bavail * left.f_frsize)
