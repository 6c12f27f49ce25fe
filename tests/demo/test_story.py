"""The demo's verdict: only the right page, delivered at the right time, counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.receiver import Delivery
from demo.story import PAGE, Pace, Phase, Story

PACE = Pace(healthy=60, broken=180, page_within=240, resolved_within=600)


def delivery(
    received: float, status: str = "firing", *, name: str = PAGE, slo: str = "availability"
) -> Delivery:
    """One alert as the receiver keeps it."""
    return Delivery(received, status, {"alertname": name, "slo": slo}, {}, "", "")


def broken() -> Story:
    """A story whose fault began at 60."""
    story = Story(0, PACE)
    assert story.advance(59, []) is Phase.HEALTHY
    assert story.advance(60, []) is Phase.BROKEN
    return story


def fixed_story() -> tuple[Story, list[Delivery]]:
    """A story that was paged at 100 and whose fault ended at 240."""
    story, deliveries = broken(), [delivery(100)]
    assert story.advance(239, deliveries) is Phase.BROKEN
    assert story.advance(240, deliveries) is Phase.FIXED
    return story, deliveries


def test_the_page_and_its_resolution_make_it_good() -> None:
    """A story that is paged during the fault and resolved after it ends well, with its times."""
    story, deliveries = fixed_story()
    assert story.advance(500, [*deliveries, delivery(490, "resolved")]) is Phase.DONE
    assert (story.paged_after, story.resolved_after) == (40, 250)


@pytest.mark.parametrize(
    "other",
    [
        delivery(100, name="SLOBurnRatePage6h"),
        delivery(100, slo="latency-p95"),
        delivery(50),
        delivery(100, "resolved"),
    ],
    ids=["another tier", "another SLO", "before the fault", "not firing"],
)
def test_another_alert_is_not_the_page(other: Delivery) -> None:
    """Without the page in time the story fails, whatever else came."""
    story = broken()
    assert story.advance(300, [other]) is Phase.BROKEN
    assert story.advance(301, [other]) is Phase.FAILED
    assert "SLOBurnRatePage1h" in story.failure


@pytest.mark.parametrize(
    "other",
    [
        delivery(300, "resolved", name="SLOBurnRatePage6h"),
        delivery(300, "resolved", slo="latency-p95"),
        delivery(200, "resolved"),
        delivery(300, "firing"),
    ],
    ids=["another tier", "another SLO", "before the fix", "still firing"],
)
def test_another_resolution_is_not_the_pages(other: Delivery) -> None:
    """Without the page's own resolution in time the story fails."""
    story, deliveries = fixed_story()
    assert story.advance(840, [*deliveries, other]) is Phase.FIXED
    assert story.advance(841, [*deliveries, other]) is Phase.FAILED
    assert "not resolved" in story.failure


def test_a_late_page_prolongs_the_fault() -> None:
    """The fault is not ended before its page came, as long as that may still come."""
    story = Story(0, replace(PACE, broken=10))
    story.advance(60, [])
    assert story.advance(100, []) is Phase.BROKEN
    assert story.advance(131, [delivery(130)]) is Phase.FIXED
