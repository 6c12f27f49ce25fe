"""``etter-obs generate``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etter_obs._internal.cli.common import (
    DRIFT,
    BadInput,
    checked_environments,
    checked_specs,
    clear_errors,
    project_options,
    same_project,
)
from etter_obs._internal.tool_lookup import find_program

if TYPE_CHECKING:
    from etter_obs._internal.generate.plan import Change, Plan
    from etter_obs._internal.slo.spec.models import Spec


@click.command()
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing, and fail if a file differs."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["files", "prometheusrule", "kubernetes", "cluster", "ruler"]),
    default="files",
    show_default=True,
    help="files: write files. prometheusrule: print resources for the Prometheus Operator. "
    "kubernetes: write a Kustomize base and an overlay for each environment into --output. "
    "cluster: print the recordings of each cluster's Prometheus. ruler: print the rules of a ruler "
    "above them.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for --format kubernetes; only generated files in it are replaced or removed.",
)
@project_options
def generate(
    only_check: bool, form: str, output: Path | None, root: Path, environment: str | None
) -> None:
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
      etter-obs generate --format kubernetes --output deploy
      kubectl apply --server-side -k deploy/overlays/production
      etter-obs generate --format ruler > slo-rules.yml
    """
    if (form == "kubernetes") != (output is not None):
        raise BadInput("--format kubernetes and --output DIR belong together; give both or neither")
    # Imported here: --help and the other commands need no dashboards.
    from etter_obs._internal.generate.clusters import cluster_rules, ruler_rules
    from etter_obs._internal.generate.plan import plan
    from etter_obs._internal.generate.prometheus_rule import prometheus_rules
    from etter_obs._internal.generate.writer import write
    from etter_obs._internal.slo.analysis.reach_table import remarks

    with clear_errors():
        if output is not None:
            _kubernetes(root, environment, output, only_check)
            return
        specs = checked_specs(root, environment)
        if form != "files":
            printed = {
                "prometheusrule": prometheus_rules,
                "cluster": cluster_rules,
                "ruler": ruler_rules,
            }
            click.echo(printed[form](specs), nl=False)
            return
        everything = plan(specs)
        changes = everything.changes(root)
        if only_check:
            _report(changes, everything, root, root, same_project(root, environment))
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
    _summary(changes, everything)


def _kubernetes(root: Path, environment: str | None, output: Path, only_check: bool) -> None:
    """Write the Kubernetes form into ``output``, or compare it."""
    from etter_obs._internal.generate.kubernetes.alertmanager_config import MissingTemplateError
    from etter_obs._internal.generate.kubernetes.plan import Sources, TooLargeError, kubernetes
    from etter_obs._internal.generate.writer import write

    if environment is not None:
        raise BadInput(
            "--environment: --format kubernetes writes an overlay for each environment of "
            "slo.yaml; add the environment there and drop this option"
        )
    specs = checked_environments(root)
    try:
        everything = kubernetes(specs, Sources.of(root))
    except (MissingTemplateError, TooLargeError) as error:
        raise BadInput(str(error)) from None
    changes = everything.changes(output)
    if only_check:
        options = f" --format kubernetes --output {shlex.quote(str(output))}{same_project(root)}"
        _report(changes, everything, root, output, options)
        return
    write(output, changes)
    for note in _kubernetes_notes(next(iter(specs.values()))):
        click.echo(f"note: {note}")
    for name in specs:
        click.echo(f"overlay: {output / 'overlays' / name}")
    _summary(changes, everything)


def _kubernetes_notes(specs: Sequence[Spec]) -> Iterator[str]:
    from etter_obs._internal.slo.spec.engines import Counting

    if any(spec.counting is Counting.ANCHORED for spec in specs):
        yield (
            "the rules use `anchored`: the Prometheus resource needs enableFeatures: "
            "[promql-extended-range-selectors] and version v3.16.0 or newer"
        )
    without = [spec.service for spec in specs if spec.deployment is None]
    if without:
        yield (
            f"no Deployment for {', '.join(without)}: slo.yaml has no `deployment`, so your own "
            "Service needs the label app.kubernetes.io/name and a port named http"
        )


def _report(
    changes: Sequence[Change], everything: Plan, root: Path, output: Path, options: str
) -> None:
    """Say what differs, and fail if anything does."""
    for change in changes:
        click.echo(f"{output / change.path}: {change.what}", err=True)
    if changes:
        click.echo(
            f"{len(changes)} file(s) differ from {root / 'slo.yaml'}; "
            f"run `etter-obs generate{options}` and commit the result",
            err=True,
        )
        raise SystemExit(DRIFT)
    click.echo(f"{len(everything.files) + len(everything.kept)} files agree with slo.yaml")


def _summary(changes: Sequence[Change], everything: Plan) -> None:
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
