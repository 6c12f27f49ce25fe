"""`etter-obs slo gate`: whether a load test held the spec's targets."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from etter_obs._internal.cli.slo_options import read_spec, refusing, service_options
from etter_obs._internal.slo.analysis.gate import load_test_verdicts
from etter_obs._internal.slo.analysis.locust_run import LocustRunError, read_run


@click.command("gate")
@click.argument("run", type=click.Path(path_type=Path))
@service_options
@click.option(
    "--users", type=click.IntRange(1), help="Number of users, if the run does not record it."
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def gate(
    run: Path,
    root: Path,
    environment: str | None,
    service: str | None,
    users: int | None,
    form: str,
) -> None:
    """Judge a locust run by the targets.

    The targets are throughput, users, latency and errors.
    RUN is the prefix given to `locust --csv`, or the report of `locust --json-file`.

    Exit codes: 0 all targets are met; 1 one is missed; 2 the run or the spec cannot be used.

    \b
      etter-obs slo gate load/run
      etter-obs slo gate report.json --users 500
    """
    with refusing(LocustRunError):
        verdicts = load_test_verdicts(read_spec(root, environment, service), read_run(run), users)
    held = all(verdict.held for verdict in verdicts)
    if form == "json":
        listed = [asdict(verdict) for verdict in verdicts]
        click.echo(json.dumps({"held": held, "targets": listed}, indent=2))
    else:
        table = Table("target", "wanted", "measured", "")
        for verdict in verdicts:
            row = (verdict.target, verdict.wanted, verdict.measured)
            table.add_row(*row, "met" if verdict.held else "[bold red]missed[/]")
        Console().print(table)
    raise SystemExit(0 if held else 1)
