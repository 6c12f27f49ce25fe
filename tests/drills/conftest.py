"""Prints what each drill measured as the table of docs/drills.md, after the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_PROPERTY = "drill"
Told = Callable[..., None]


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Told:
    """Keep a row of the table: the drill, what was sent, lost and counted, and the alert."""

    def keep(drill: str, sent: str, lost: str, counted: str) -> None:
        record_property(_PROPERTY, (drill, sent, lost, counted))

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
        terminalreporter.write_line("\n| drill | sent | lost | who counted it |\n|---|---|---|---|")
        for row in sorted(rows):
            terminalreporter.write_line(f"| {' | '.join(row)} |")
