"""What observing a request costs in steady load: the bare app, the peers and etter-obs.

Every subject runs in a process of its own, with receivers on loopback for spans, log lines and
errors; all take turns, round by round. The clock of a round runs from the first request until the
subject has counted, rendered and sent everything: work that a subject puts off is inside. "added"
is what a request costs more than in the bare app's round of the same turn; figures are medians
over the rounds, with the quartiles in brackets.

\b
Two loads:
  ASGI call       requests one after the other, each in a task; CPU time of all threads
  behind uvicorn  requests at a fixed rate over 8 connections; CPU time and latency
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.apps import Shape, paths
from benchmarks.http_load import at_fixed_rate
from benchmarks.processes import Runner, runners
from benchmarks.subjects import SUBJECTS
from benchmarks.tables import show

BASELINE: Final = "bare"
PAIRS: Final = (
    ("etter-10", "assembly-10", 0.15),
    ("etter-100", "assembly-100", 0.30),
    ("etter-metrics", "instrumentator", 0.25),
    ("etter-headers", "instrumentator", None),
)
"""The compared subjects, and the target share of the other's added CPU time, if any."""
P99_TARGET: Final = 1.1
"""The target of the 99th percentile behind uvicorn, as a multiple of the bare app's."""


class Round(NamedTuple):
    """One round of one subject; all times in seconds, per request."""

    cpu: float
    wall: float
    instructions: float
    served_cpu: float
    p50: float
    p99: float


Rounds = dict[str, list[Round]]


def measure(runner: Runner, shape: Shape, requests: int, rate: float, seconds: float) -> Round:
    """Run one round of one subject."""
    called = runner.call(requests)
    if not seconds:
        return Round(called.cpu, called.wall, called.instructions, 0.0, 0.0, 0.0)
    targets = paths(shape, int(rate * seconds))
    runner.start()
    latencies = at_fixed_rate(runner.port, targets, rate)
    served = runner.finish(len(targets))
    centiles = statistics.quantiles(latencies, n=100)
    return Round(
        called.cpu, called.wall, called.instructions, served.cpu, centiles[49], centiles[98]
    )


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    if len(values) < 2:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def shown(values: Sequence[float], form: str = "{:.0f}", scale: float = 1e6) -> str:
    """Return the median with the quartiles in brackets."""
    if not any(values):
        return "–"
    low, middle, high = (form.format(value * scale) for value in quartiles(values))
    return f"{middle} ({low}–{high})"


def added(rounds: Rounds, name: str, measure: Callable[[Round], float]) -> list[float]:
    """Return what each round of a subject costs more than the bare app's of the same turn."""
    pairs = zip(rounds[name], rounds[BASELINE], strict=True)
    return [measure(one) - measure(bare) for one, bare in pairs]


def costs(rounds: Rounds, title: str, *, over_http: bool) -> Table:
    """Return the table of all subjects."""
    table = Table(title=title)
    table.add_column("µs per request")
    headings = ["CPU", "added CPU", "added instructions", "added wall"]
    headings += ["uvicorn: added CPU", "p50", "p99"] if over_http else []
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, own in rounds.items():
        bare = name == BASELINE
        cells = [
            shown([one.cpu for one in own]),
            "" if bare else shown(added(rounds, name, lambda r: r.cpu)),
            "" if bare else shown(added(rounds, name, lambda r: r.instructions), "{:,.0f}", 1),
            "" if bare else shown(added(rounds, name, lambda r: r.wall)),
        ]
        if over_http:
            cells += [
                "" if bare else shown(added(rounds, name, lambda r: r.served_cpu)),
                shown([one.p50 for one in own]),
                shown([one.p99 for one in own]),
            ]
        table.add_row(SUBJECTS[name].title, *cells)
    return table


def shares(rounds: Rounds, *, over_http: bool) -> Table:
    """Return the table of what etter-obs adds, as a share of what the peers add."""
    table = Table(title="what etter-obs adds, as a share of what the other adds")
    table.add_column("etter-obs")
    table.add_column("the other")
    measures: list[Callable[[Round], float]] = [lambda r: r.cpu, lambda r: r.instructions]
    measures += [lambda r: r.wall, lambda r: r.served_cpu] if over_http else [lambda r: r.wall]
    headings = ["target", "CPU", "instructions", "wall"]
    for heading in headings + (["uvicorn: CPU", "p99 / bare's"] if over_http else []):
        table.add_column(heading, justify="right")
    for ours, theirs, target in PAIRS:
        if ours not in rounds or theirs not in rounds:
            continue
        cells = [SUBJECTS[ours].title, SUBJECTS[theirs].title, f"≤ {target:.2f}" if target else "–"]
        for measure in measures:
            pairs = zip(added(rounds, ours, measure), added(rounds, theirs, measure), strict=True)
            cells.append(shown([one / other for one, other in pairs if other], "{:.2f}", 1))
        if over_http:
            pairs_of_rounds = zip(rounds[ours], rounds[BASELINE], strict=True)
            ratios = [one.p99 / bare.p99 for one, bare in pairs_of_rounds]
            cells.append(shown(ratios, "{:.2f}", 1))
        table.add_row(*cells)
    return table


def compare(
    names: Sequence[str], shape: Shape, rounds: int, requests: int, rate: float, seconds: float
) -> Rounds:
    """Measure subjects in turns.

    Args:
        names: The subjects; the bare app first.
        shape: The app's routes.
        rounds: Rounds of each subject.
        requests: Requests of a round at the ASGI call.
        rate: Requests per second behind uvicorn.
        seconds: Length of a round behind uvicorn; 0 leaves it out.

    Returns:
        The rounds of each subject.
    """
    measured: Rounds = {name: [] for name in names}
    with runners(names, shape) as found:
        for runner in found.values():  # warm
            measure(runner, shape, min(requests, 2_000), rate, min(seconds, 1.0))
        turns = track(range(rounds), description=str(shape), console=Console(stderr=True))
        for turn in turns:
            order = list(found.items())
            for name, runner in order if turn % 2 else reversed(order):
                measured[name].append(measure(runner, shape, requests, rate, seconds))
    return measured


def subjects(text: str) -> list[str]:
    """Return the named subjects, or all, with the bare app first.

    Raises:
        click.BadParameter: There is no such subject.
    """
    names = [name for name in text.split(",") if name] or list(SUBJECTS)
    for name in names:
        if name not in SUBJECTS:
            raise click.BadParameter(f"no subject {name!r}; there are {', '.join(SUBJECTS)}")
    return [BASELINE, *[name for name in names if name != BASELINE]]


@click.command(help=__doc__)
@click.option("--routes", default="61", show_default=True, help="Routes; several with commas.")
@click.option("--direct", is_flag=True, help="Add the routes to the app, not by a router.")
@click.option("--rounds", default=10, show_default=True, help="Rounds of every subject.")
@click.option("--requests", default=3_000, show_default=True, help="Requests at the ASGI call.")
@click.option("--rate", default=200.0, show_default=True, help="Requests/s behind uvicorn.")
@click.option("--seconds", default=4.0, show_default=True, help="Of a round; 0 leaves it out.")
@click.option("--only", default="", help="Subjects, with commas.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
def main(
    routes: str,
    direct: bool,
    rounds: int,
    requests: int,
    rate: float,
    seconds: float,
    only: str,
    markdown: bool,
) -> None:
    """Measure and print."""
    names = subjects(only)
    for count in routes.split(","):
        shape = Shape(int(count), included=not direct)
        measured = compare(names, shape, rounds, requests, rate, seconds)
        title = f"{shape}; {rounds} rounds of {requests:,} requests"
        if seconds:
            title += f", and of {seconds:g} s at {rate:g}/s behind uvicorn"
        show(costs(measured, title, over_http=seconds > 0), markdown=markdown)
        show(shares(measured, over_http=seconds > 0), markdown=markdown)


if __name__ == "__main__":
    main()
