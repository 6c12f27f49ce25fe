"""Drill: the clocks of two instances are two minutes ahead and behind of the stack's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from etter_obs._internal.conventions import REQUEST_DURATION
from tests.drills.conftest import Told
from tests.drills.stage import observed, staged
from tests.drills.test_prometheus import settled
from tests.waiting import eventually

pytestmark = [pytest.mark.drill, pytest.mark.e2e]

OFF_S = 120
MORE = 500


def test_clocks_are_two_minutes_off(tmp_path: Path, told: Told) -> None:
    """Nothing is lost: counts, budget and durations are right, lines and spans are two minutes off.

    All instances write into one stream of Loki, so its lines come out of order.
    """
    with (
        staged(tmp_path, "prometheus", "collector", "loki") as stage,
        observed(stage) as right,
        observed(stage, CLOCK_OFFSET_S=f"{OFF_S}") as ahead,
        observed(stage, CLOCK_OFFSET_S=f"-{OFF_S}") as behind,
    ):
        apps = (right, ahead, behind)
        stage.watch(*apps)
        begun = time.time()
        for app in apps:
            app.start()
        for app in apps:
            app.until(MORE)
        found = settled(stage, *apps)
        written = sum(len(app.written()) for app in apps)
        eventually(
            lambda: len(stage.lines(begun - 600, time.time() + 600)) == written, deadline_s=30
        )
        eventually(lambda: len(stage.tempo.spans) == found.asked, deadline_s=30)
        off = [round((span.start_ns / 1e9 - begun) / OFF_S) for span in stage.tempo.spans]
        duration = REQUEST_DURATION.name("etter")
        mean = stage.value(f"sum({duration}_sum) / sum({duration}_count)")
    assert found.lost == 0
    assert found.raw == found.asked
    assert {-1, 0, 1} == set(off)
    assert mean is not None
    assert 0 < mean < 1
    told(
        "two instances' clocks two minutes off",
        f"{found.asked} requests, {written} lines, {found.asked} spans",
        "nothing; lines and spans are found two minutes off",
        "nothing to count",
    )
