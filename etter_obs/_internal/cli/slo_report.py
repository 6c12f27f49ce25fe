"""`etter-obs slo report`: each SLO's attainment and budget, from a Prometheus."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich import box
from rich.console import Console

from etter_obs._internal.cli.slo_options import (
    prometheus_option,
    read_spec,
    refusing,
    service_options,
)
from etter_obs._internal.slo.analysis import report_text
from etter_obs._internal.slo.analysis.report import Report, build
from etter_obs._internal.slo.prometheus.api import Prometheus, PrometheusError


@click.command("report")
@service_options
@prometheus_option
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%z"]),
    help="End of the period (default: now); UTC unless it has an offset.",
)
@click.option("--format", "form", type=click.Choice(["table", "markdown", "json"]), default="table")
def report(
    root: Path,
    environment: str | None,
    service: str | None,
    url: str,
    at: datetime | None,
    form: str,
) -> None:
    """Show the attainment of each SLO and its remaining budget.

    Covers the SLO's period, with the worst days and routes.

    Exit codes: 0 every SLO has budget left; 1 one has none; 2 the report failed.

    \b
      etter-obs slo report --prometheus http://prometheus.internal:9090
      etter-obs slo report --at 2026-01-01 --format markdown
    """
    with refusing(PrometheusError):
        spec = read_spec(root, environment, service)
        made = build(spec, Prometheus(url), _moment(at))
    if form == "json":
        click.echo(report_text.as_json(made))
    else:
        _show(made, markdown=form == "markdown")
    raise SystemExit(1 if made.spent else 0)


def _moment(at: datetime | None) -> float:
    if at is None:
        return time.time()
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _show(made: Report, *, markdown: bool) -> None:
    console = Console(width=500, color_system=None) if markdown else Console()
    title = report_text.heading(made)
    console.print(f"## {title}\n" if markdown else title, highlight=False)
    for table in report_text.tables(made):
        if markdown:
            table.box = box.MARKDOWN
        console.print(table)
        if markdown:
            console.print()
    console.print(report_text.conclusion(made), highlight=False)
