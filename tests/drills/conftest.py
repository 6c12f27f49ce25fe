"""Prints what each drill measured as the table of docs/drills.md, after the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_PROPERTY = "drill"
_HEAD = "\n| drill | sent | lost | who counted it | fired |\n|---|---|---|---|---|"
Told = Callable[..., None]


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Told:
    """Keep a row of the table: the drill, what was sent, lost and counted, and what fired."""

    def keep(drill: str, sent: str, lost: str, counted: str, *alerts: str) -> None:
        fired = ", ".join(f"`{alert}`" for alert in alerts) or "–"
        record_property(_PROPERTY, (drill, sent, lost, counted, fired))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    rows = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    if rows:
        terminalreporter.write_line(_HEAD)
        for row in sorted(rows):
            terminalreporter.write_line(f"| {' | '.join(row)} |")
