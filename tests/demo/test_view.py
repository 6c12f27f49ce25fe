"""What the demo shows where there is no terminal, and where there is one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from demo.measurements import Measurements, SloState
from demo.view import view_for

MEASURED = Measurements(
    50.0,
    20.0,
    (
        SloState("availability", 0.999, budget=-3.0, burn_5m=400.0, burn_1h=120.0),
        SloState("cpu", 0.99),
        SloState("latency-p95", 0.95, budget=0.98, burn_5m=0.1, burn_1h=0.1),
    ),
)


@pytest.mark.parametrize("terminal", [True, False])
def test_both_views_show_traffic_burn_and_events(terminal: bool) -> None:
    """Both views show the request rate, the burning SLO and the event."""
    out = io.StringIO()
    with view_for(Console(file=out, force_terminal=terminal, width=120)) as view:
        view.event("FAULT: broken")
        view.show("all is [well]", MEASURED)
    told = out.getvalue()
    for part in ("50.0 requests/s", "40.0%", "availability", "400.0×", "FAULT: broken", "[well]"):
        assert part in told
    for part in ("latency-p95", "98.0%", "overspent 3.0×"):
        assert (part in told) is terminal


def test_every_event_is_seen_on_a_small_terminal() -> None:
    """Of more events than the terminal has rows none is cut off, and the table stays whole."""
    out = io.StringIO()
    with view_for(Console(file=out, force_terminal=True, width=80, height=24)) as view:
        for number in range(30):
            view.event(f"event {number}.")
            view.show("all is well", MEASURED)
    assert all(f"event {number}." in out.getvalue() for number in range(30))
    assert "..." not in out.getvalue()


def test_the_plain_view_does_not_flood_a_log() -> None:
    """Shown every second, the state is printed once in a quarter of a minute."""
    out = io.StringIO()
    with view_for(Console(file=out, width=120)) as view:
        for _ in range(10):
            view.show("healthy traffic", None)
    assert out.getvalue().count("healthy traffic") == 1
