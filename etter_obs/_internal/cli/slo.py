"""``etter-obs slo``: what the spec promises, and whether it is held."""

from __future__ import annotations

from pathlib import Path

import click

from etter_obs._internal.cli.common import checked_specs, clear_errors, project_options
from etter_obs._internal.cli.slo_gate import gate
from etter_obs._internal.cli.slo_report import report
from etter_obs._internal.cli.slo_simulate import simulate


@click.group()
def slo() -> None:
    """Look at SLOs: can they alert, do they hold.

    \b
      etter-obs slo check       which tier fires how soon, and what a change does
      etter-obs slo simulate    what an outage would set off
      etter-obs slo report      attainment and budget, from a Prometheus
      etter-obs slo gate        whether a locust run held the targets
    """


for command in (simulate, report, gate):
    slo.add_command(command)


@slo.command()
@project_options
def check(root: Path, environment: str | None) -> None:
    """Show for each SLO and tier whether it can fire, and how soon.

    Also what is gone by then, and what a change of slo.yaml, against the rules on disk, does to the
    period behind it.

    \b
      etter-obs slo check
      etter-obs slo check --environment staging
    """
    from rich.console import Console

    from etter_obs._internal.slo.analysis.reach_table import remarks, table
    from etter_obs._internal.slo.analysis.spec_diff import effects

    with clear_errors():
        specs = checked_specs(root, environment)
        console = Console(soft_wrap=True, highlight=False)
        console.width = max(console.width, 150)  # a table cut in two tells nothing
        for spec in specs:
            console.print(table(spec))
        for remark in remarks(specs):
            console.print(f"note: {remark}", markup=False)
        changed = [(spec.service, effect) for spec in specs for effect in effects(spec, root)]
        for service, effect in changed:
            console.print(f"change: {service}/{effect}", markup=False)
        if changed:
            console.print(
                "change: apps keep their buckets until they run with this slo.yaml; "
                "SLOSpecMismatch tells while they do not",
                markup=False,
            )
