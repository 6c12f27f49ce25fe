"""Drills on the way of lines and spans: app → collector → Loki and Tempo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from etter_obs._internal.conventions import Alert
from tests.drills.conftest import Told
from tests.drills.stage import SETTLED_S, App, Stage, observed, staged
from tests.relay import Relay, relay
from tests.waiting import eventually

pytestmark = [pytest.mark.drill, pytest.mark.e2e]

WATCHED = ("prometheus", "collector", "loki")
MORE = 150
"""Requests before a fault and after it."""


@dataclass(frozen=True)
class Balance:
    """What was made, what arrived behind the collector, and what the app says it dropped."""

    lines: int
    lines_arrived: int
    lines_dropped: int
    spans: int
    spans_arrived: int
    spans_dropped: int

    @property
    def lost(self) -> tuple[int, int]:
        """How many lines and spans did not arrive."""
        return self.lines - self.lines_arrived, self.spans - self.spans_arrived

    @property
    def counted(self) -> tuple[int, int]:
        """How many lines and spans the app says it dropped."""
        return self.lines_dropped, self.spans_dropped

    def told(self) -> tuple[str, str, str]:
        """Return it for the table."""
        lost, counted = ("{} lines, {} spans".format(*pair) for pair in (self.lost, self.counted))
        return f"{self.lines} lines, {self.spans} spans", lost, f"the app: {counted}"


def balance(stage: Stage, app: App, since: float) -> Balance:
    """Compare, while the app is at rest."""
    return Balance(
        lines=len(app.written()),
        lines_arrived=len(stage.lines(since, time.time() + 600)),
        lines_dropped=app.dropped("log"),
        spans=app.asked,
        spans_arrived=len({span.span_id for span in stage.tempo.spans}),
        spans_dropped=app.dropped("span"),
    )


def settled(stage: Stage, app: App, since: float) -> Balance:
    """Return the balance as soon as everything has either arrived or been counted."""
    app.rest()

    def even() -> Balance | None:
        found = balance(stage, app, since)
        return found if found.lost == found.counted else None

    return eventually(
        even, deadline_s=SETTLED_S, every_s=1, tell=lambda: balance(stage, app, since)
    )


def arrived(stage: Stage, number: str, since: float) -> bool:
    """Return whether the span and the lines of a request have arrived."""
    ids = [
        s.attributes["etter.request_id"]
        for s in stage.tempo.spans
        if s.attributes["url.path"].endswith(f"/{number}")
    ]
    return (
        bool(ids) and sum(id_ == ids[0] for _, id_, _ in stage.lines(since, time.time() + 600)) == 2
    )


def test_the_collector_is_killed(tmp_path: Path, told: Told) -> None:
    """SIGKILL under load: what it had accepted arrives, and the app counts what it could not send.

    The app gives a batch up after five seconds (lines) or ten (spans) of retries.
    """
    since = time.time() - 1
    with staged(tmp_path, *WATCHED) as stage, observed(stage) as app:
        stage.watch(app)
        app.start()
        app.until(MORE)
        stage.programs["collector"].kill()
        eventually(lambda: app.dropped("log") and app.dropped("span"), deadline_s=60)
        stage.programs["collector"].start()
        stage.programs["collector"].wait()
        app.until(MORE)
        found = settled(stage, app, since)
        fired = stage.fires(Alert.TELEMETRY_DROPPED)
    assert all(found.counted)
    told("collector killed and restarted", *found.told(), *fired)


def test_loki_is_killed(tmp_path: Path, told: Told) -> None:
    """SIGKILL under load: the collector keeps what Loki cannot take, and nothing is lost."""
    since = time.time() - 1
    with staged(tmp_path, "collector", "loki") as stage, observed(stage) as app:
        app.start()
        app.until(MORE)
        stage.programs["loki"].kill()
        queue = "otelcol_exporter_queue_size"
        eventually(lambda: stage.counted("collector", queue), deadline_s=30)
        app.until(MORE)
        stage.programs["loki"].start()
        stage.programs["loki"].wait()
        app.until(MORE)
        found = settled(stage, app, since)
    assert found.lost == (0, 0)
    told("Loki killed and restarted", *found.told())


def test_the_queue_on_disk_is_full(tmp_path: Path, told: Told) -> None:
    """Loki and Tempo are away until the queues are full, and then the collector is killed too.

    A full queue refuses, so the app counts what it could not hand over, and all else arrives.
    """
    since = time.time() - 1
    with (
        staged(tmp_path, *WATCHED, later="loki", COLLECTOR_QUEUE_BYTES="40000") as stage,
        observed(stage) as app,
    ):
        stage.watch(app)
        stage.tempo.release.clear()
        app.start()
        eventually(lambda: app.dropped("log") and app.dropped("span"), deadline_s=90)
        refused = stage.counted("collector", "otelcol_exporter_enqueue_failed_log_records")
        fired = stage.fires(
            Alert.TELEMETRY_DROPPED, Alert.COLLECTOR_REFUSING, Alert.COLLECTOR_EXPORT_FAILING
        )
        app.rest()
        stage.programs["collector"].kill()
        stage.tempo.release.set()
        for name in ("loki", "collector"):
            stage.programs[name].start()
            stage.programs[name].wait()
        found = settled(stage, app, since)
    assert refused > 0
    told("the collector's queue on disk full, then killed", *found.told(), *fired)


@contextmanager
def parted(folder: Path) -> Iterator[tuple[Stage, App, Relay]]:
    """Part the app under load from its collector, until it has dropped lines and spans."""
    with (
        staged(folder, *WATCHED) as stage,
        relay(stage.stack.otlp_grpc) as between,
        observed(stage, otlp=between.address) as app,
    ):
        stage.watch(app)
        app.start()
        app.until(MORE)
        between.cut()
        eventually(lambda: app.dropped("log") and app.dropped("span"), deadline_s=60)
        yield stage, app, between


def test_app_and_collector_are_parted_by_a_firewall(tmp_path: Path, told: Told) -> None:
    """Bytes vanish for a while, and connections with them: the app counts what did not arrive."""
    since = time.time() - 1
    with parted(tmp_path) as (stage, app, between):
        between.heal(forgotten=True)
        app.until(MORE)
        found = settled(stage, app, since)
        fired = stage.fires(Alert.TELEMETRY_DROPPED)
    told("app and collector parted, connections reset", *found.told(), *fired)


def test_app_and_collector_are_parted_and_the_network_catches_up(
    tmp_path: Path, told: Told
) -> None:
    """What TCP delivers after the partition was counted as lost: the count is an upper bound."""
    since = time.time() - 1
    with parted(tmp_path) as (stage, app, between):
        between.heal()
        app.until(MORE)
        app.rest()
        newest = str(app.asked)
        eventually(lambda: arrived(stage, newest, since), deadline_s=SETTLED_S, every_s=1)
        found = balance(stage, app, since)
        fired = stage.fires(Alert.TELEMETRY_DROPPED)
    assert all(lost <= counted for lost, counted in zip(found.lost, found.counted, strict=True))
    told("app and collector parted, TCP catches up", *found.told(), *fired)
