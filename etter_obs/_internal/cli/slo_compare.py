"""`etter-obs slo compare`: what changed between two time ranges, or between two load tests."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich import box
from rich.console import Console

from etter_obs._internal.cli.common import BadInput
from etter_obs._internal.cli.slo_options import (
    prometheus_option,
    read_spec,
    refusing,
    service_options,
)
from etter_obs._internal.slo.analysis import compare_text
from etter_obs._internal.slo.analysis.compare import (
    SHORTEST,
    Comparison,
    Verdict,
    compare_ranges,
    compare_runs,
)
from etter_obs._internal.slo.analysis.locust_run import LocustRunError, is_run, read_run
from etter_obs._internal.slo.analysis.time_range import TimeRange, parse_time_range
from etter_obs._internal.slo.prometheus.api import Prometheus, PrometheusError
from etter_obs._internal.text.units import parse_ratio


def _confidence(_: object, __: object, value: str) -> float:
    try:
        share = float(parse_ratio(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not 0.5 <= share <= 0.999:
        raise click.BadParameter(f"{value} is out of range; use 50% to 99.9%")
    return share


@click.command("compare")
@click.argument("before")
@click.argument("after")
@service_options
@prometheus_option
@click.option(
    "--confidence",
    callback=_confidence,
    default="95%",
    show_default=True,
    metavar="SHARE",
    help="How surely the intervals of all lines together hold.",
)
@click.option("--format", "form", type=click.Choice(["table", "markdown", "json"]), default="table")
def compare(
    before: str,
    after: str,
    root: Path,
    environment: str | None,
    service: str | None,
    url: str,
    confidence: float,
    form: str,
) -> None:
    """Show what changed between two times or load tests.

    Shows each SLI, and latency at p50, p95 and p99, in BEFORE and in AFTER. Each line has the
    confidence interval of its difference. A line is better or worse only if its interval excludes
    zero; otherwise no difference was seen, and the interval shows which differences remain
    possible. The command compares two times, not two versions: traffic may differ too, so compare
    like with like, for example the same hour of two days.

    BEFORE and AFTER are time ranges, read from Prometheus, or two load tests, each the prefix given
    to `locust --csv`. A time range is START/END or START/DURATION; a moment is ISO 8601 (UTC unless
    it has an offset), now, or now-2h. It has at least six minutes; longer ranges show smaller
    differences.

    Exit codes: 0 nothing is worse; 1 something is; 2 the comparison failed.

    \b
      etter-obs slo compare now-2h/1h now-1h/1h
      etter-obs slo compare 2026-01-30T09:00/1h 2026-01-31T09:00/1h --format markdown
      etter-obs slo compare load/before load/after
    """
    with refusing(PrometheusError, LocustRunError):
        runs = [text for text in (before, after) if is_run(Path(text))]
        if len(runs) == 1:
            raise BadInput(
                f"only {runs[0]} is a load test; compare two of them, or two time ranges"
            )
        if runs:
            first, second = (read_run(Path(text)) for text in runs)
            made = compare_runs(first, second, (before, after), confidence)
        else:
            ranges = _ranges(before, after)
            spec = read_spec(root, environment, service)
            with Console(stderr=True).status("reading from Prometheus …"):
                made = compare_ranges(spec, Prometheus(url), *ranges, confidence)
    if form == "json":
        click.echo(compare_text.as_json(made))
    else:
        _show(made, markdown=form == "markdown")
    raise SystemExit(1 if made.that_are(Verdict.WORSE) else 0)


def _ranges(before: str, after: str) -> tuple[TimeRange, TimeRange]:
    now = time.time()
    found = []
    for text in (before, after):
        try:
            span = parse_time_range(text, now)
        except ValueError as error:
            raise BadInput(f"{error}; and there is no load test {text}_stats.csv") from None
        if span.seconds < SHORTEST:
            raise BadInput(
                f"{text!r} is too short to tell a difference; use {SHORTEST // 60}m or more"
            )
        found.append(span)
    first, second = found
    if first.end > second.start:
        raise BadInput(
            f"BEFORE ends after AFTER starts ({first}; {second}); BEFORE is the earlier one, and "
            "they must not overlap"
        )
    return first, second


def _show(made: Comparison, *, markdown: bool) -> None:
    console = Console(width=500, color_system=None) if markdown else Console()
    title = compare_text.heading(made)
    console.print(f"## {title}\n" if markdown else title, highlight=False)
    table = compare_text.table(made)
    if markdown:
        table.box = box.MARKDOWN
    console.print(table)
    if markdown:
        console.print()
    console.print(compare_text.conclusion(made), highlight=False)
