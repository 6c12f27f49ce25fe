"""``etter-obs slo``: what the spec promises, and whether it is held."""

from __future__ import annotations

from pathlib import Path

import click

from etter_obs._internal.cli.common import checked_specs, clear_errors, project_options
from etter_obs._internal.cli.slo_compare import compare
from etter_obs._internal.cli.slo_gate import gate
from etter_obs._internal.cli.slo_report import report
from etter_obs._internal.cli.slo_simulate import simulate
from etter_obs._internal.conventions import Alert


@click.group()
def slo() -> None:
    """Check, simulate, report and compare SLOs.

    \b
      etter-obs slo check       show which tier fires how soon, and what a change does
      etter-obs slo simulate    show which alerts an outage triggers
      etter-obs slo report      read attainment and budget from a Prometheus
      etter-obs slo compare     show what changed between two time ranges or load tests
      etter-obs slo gate        judge a locust run by the targets
    """


for command in (simulate, report, compare, gate):
    slo.add_command(command)


@slo.command()
@project_options
def check(root: Path, environment: str | None) -> None:
    """Show for each SLO and tier whether it can fire, and how soon.

    Also shows how much budget is spent by then, and how a change of slo.yaml, compared with the
    rules on disk, affects the current period.

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
                "change: apps keep their buckets until they run with this slo.yaml; until then the "
                f"alert {Alert.SLO_SPEC_MISMATCH} fires",
                markup=False,
            )
