"""Shows a simulation: a table of what fired, and a plot of it over time."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from etter_obs._internal.slo.analysis.simulate import Simulation
from etter_obs._internal.text.units import compound_duration_text, percent_text

_FIRST_LANE = "share of bad events"
_BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {"page": "bold red", "ticket": "yellow"}


def table(made: Simulation) -> Table:
    """Return the table of every alert of the SLO: when it fired and when it cleared."""
    title = (
        f"{made.slo.name}: an outage of {compound_duration_text(made.outage)}; times since it began"
    )
    rows = Table("alert", "severity", "fires at", "budget gone", "clears at", title=title)
    for column in rows.columns:
        column.no_wrap = True
    for episode in made.episodes:
        rows.add_row(
            episode.alert,
            episode.severity,
            compound_duration_text(episode.start),
            f"{episode.budget_gone:.1%}",
            "still fires" if episode.end is None else compound_duration_text(episode.end),
            style=_COLOURS.get(episode.severity),
        )
    fired = {episode.alert for episode in made.episodes}
    for alert in made.alerts:
        if alert not in fired:
            rows.add_row(alert, "", "never", "", "")
    return rows


def plot(made: Simulation, width: int) -> Iterator[Text]:
    """Yield a lane for the share of bad events and one for each alert that fired.

    ``width`` is that of a whole line, in characters.
    """
    names = list(dict.fromkeys(episode.alert for episode in made.episodes))
    margin = max(len(name) for name in (_FIRST_LANE, *names)) + 2
    columns = max(20, width - margin - 1)
    column = made.seconds / columns
    worst = max(step.bad for step in made.steps)
    lane = ""
    for index in range(columns):
        share = _share(made, (index + 0.5) * column)
        lane += _BARS[round(share / float(worst) * (len(_BARS) - 1))] if worst else _BARS[0]
    yield Text(f"{_FIRST_LANE:<{margin}}{lane}")
    for name in names:
        spans = [
            (episode.start, made.seconds if episode.end is None else episode.end, episode.severity)
            for episode in made.episodes
            if episode.alert == name
        ]
        drawn = "".join(
            "█"
            if any(start < (n + 1) * column and end > n * column for start, end, _ in spans)
            else "·"
            for n in range(columns)
        )
        yield Text(f"{name:<{margin}}") + Text(drawn, _COLOURS.get(spans[0][2], ""))
    end = compound_duration_text(made.seconds)
    yield Text(f"{'highest: ' + percent_text(worst):<{margin}}0{end:>{columns - 1}}")


def _share(made: Simulation, at: float) -> float:
    for step in made.steps:
        at -= float(step.seconds)
        if at < 0:
            return float(step.bad)
    return 0.0
