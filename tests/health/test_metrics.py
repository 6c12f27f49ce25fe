"""Every check's outcome is in the metrics, also without a probe."""

from __future__ import annotations

import asyncio

from etter_obs._internal import conventions
from etter_obs._internal.conventions import HealthReason
from etter_obs._internal.health import Health
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.settings import Settings


async def test_each_run_is_counted_with_its_reason() -> None:
    """Up is 1 or 0 by the newest outcome; duration and failures count every run."""
    registry = MetricsRegistry("etter")
    health = Health(Settings(health_max_age=0.0), registry)
    health.add("search", lambda: None)
    health.add("database", lambda: HealthReason.POOL_EXHAUSTED)
    for _ in range(2):
        await health.summary()
    up = registry.gauge(conventions.HEALTH_CHECK_UP)
    assert (up.child("search").value, up.child("database").value) == (1.0, 0.0)
    assert registry.histogram(conventions.HEALTH_CHECK_DURATION).child("search").count == 2
    failures = registry.counter(conventions.HEALTH_CHECK_FAILURES)
    assert failures.child("database", "pool_exhausted").value == 2


async def test_a_run_that_many_share_is_counted_once() -> None:
    """Twenty askers at once leave one duration, not twenty."""
    registry = MetricsRegistry("etter")
    health = Health(Settings(health_max_age=0.0), registry)
    health.add("shared", lambda: asyncio.sleep(0.05))
    await asyncio.gather(*(health.summary() for _ in range(20)))
    assert registry.histogram(conventions.HEALTH_CHECK_DURATION).child("shared").count == 1


async def test_a_scrape_has_old_outcomes_made_again() -> None:
    """Without any probe a scrape starts the checks, at most once in their maximum age."""
    registry = MetricsRegistry("etter")
    runs: list[int] = []
    health = Health(Settings(health_max_age=60.0), registry)
    health.add("search", lambda: runs.append(1))
    health.start()
    up = registry.gauge(conventions.HEALTH_CHECK_UP).child("search")
    for _ in range(500):
        registry.refresh()
        if up.value:
            break
        await asyncio.sleep(0.01)
    for _ in range(5):
        registry.refresh()
        await asyncio.sleep(0.01)
    assert up.value == 1.0
    assert len(runs) == 1
    health.close()
    registry.close()
