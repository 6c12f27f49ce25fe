"""``etter-obs generate``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etter_obs._internal.cli.common import (
    DRIFT,
    checked_specs,
    clear_errors,
    project_options,
    same_project,
)
from etter_obs._internal.tool_lookup import find_program

if TYPE_CHECKING:
    from etter_obs._internal.generate.plan import Change


@click.command()
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing, and fail if a file differs."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["files", "prometheusrule"]),
    default="files",
    show_default=True,
    help="files: write files. prometheusrule: print resources for the Prometheus Operator.",
)
@project_options
def generate(only_check: bool, form: str, root: Path, environment: str | None) -> None:
    """Write every file that is generated from slo.yaml.

    That is rules, alerts and their tests, Alertmanager's routing, the scrape job, dashboards, the
    generated part of the runbooks, and slo.schema.json. The same slo.yaml gives the same bytes.
    Everything is generated and checked before the first file is written, and each file is replaced
    atomically.

    \b
      etter-obs generate
      etter-obs generate --check                      in CI
      etter-obs generate --environment staging
      etter-obs generate --format prometheusrule | kubectl apply -f -
    """
    # Imported here: --help and the other commands need no dashboards.
    from etter_obs._internal.generate.plan import plan
    from etter_obs._internal.generate.prometheus_rule import prometheus_rules
    from etter_obs._internal.generate.writer import write
    from etter_obs._internal.slo.analysis.reach_table import remarks

    with clear_errors():
        specs = checked_specs(root, environment)
        if form == "prometheusrule":
            click.echo(prometheus_rules(specs), nl=False)
            return
        everything = plan(specs)
        changes = everything.changes(root)
        if only_check:
            for change in changes:
                click.echo(f"{root / change.path}: {change.what}", err=True)
            if changes:
                options = same_project(root, environment)
                click.echo(
                    f"{len(changes)} file(s) differ from {root / 'slo.yaml'}; "
                    f"run `etter-obs generate{options}` and commit the result",
                    err=True,
                )
                raise SystemExit(DRIFT)
            click.echo(f"{len(everything.files) + len(everything.kept)} files agree with slo.yaml")
            return
        write(root, changes)
        for remark in remarks(specs):
            click.echo(f"note: {remark}")
        if not find_program("promtool") and any(
            slo.sli.kind.user_expressions(one) for one in specs for slo in one.slos
        ):
            click.echo(
                "note: promtool is not on the PATH, so the PromQL in slo.yaml was not parsed"
            )
        for path in _left_targets(root, changes):
            click.echo(
                f"note: {root / path} is kept, but no scrape job reads it any more; "
                "move its addresses to the targets of the right service"
            )
    everywhere = (everything.files, everything.kept, everything.starters)
    removed = sum(change.content is None for change in changes)
    click.echo(
        f"{len(changes) - removed} written, {removed} removed, "
        f"{sum(map(len, everywhere)) - len(changes) + removed} unchanged"
    )


def _left_targets(root: Path, changes: Iterable[Change]) -> Iterator[str]:
    """Find the targets of jobs that are gone: after a rename their addresses are still wanted."""
    from etter_obs._internal.generate.scrape import JOBS, TARGETS

    for change in changes:
        folder, _, name = change.path.rpartition("/")
        targets = f"{TARGETS}/{name}"
        if folder == JOBS and change.content is None and (root / targets).exists():
            yield targets
