"""``etter-obs dashboards``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etter_obs._internal.cli.common import (
    DRIFT,
    BadInput,
    clear_errors,
    project_options,
    read_specs,
    same_project,
)

if TYPE_CHECKING:
    from etter_obs._internal.dashboards.lint.model import BoardView


@click.group()
def dashboards() -> None:
    """Check the Grafana dashboards."""


@dashboards.command()
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="[FILE]…",
)
@project_options
def check(files: tuple[Path, ...], root: Path, environment: str | None) -> None:
    """Lint Grafana dashboards.

    Reads grafana/dashboards/*.json, or the given files, which may be your own. Each finding names
    the file, the panel, the problem and the rule; docs/dashboards.md explains the rules.

    \b
      etter-obs dashboards check
      etter-obs dashboards check grafana/dashboards/mine.json
    """
    from etter_obs._internal.dashboards.lint import RULES, lint
    from etter_obs._internal.dashboards.lint.queries import at_load

    with clear_errors():
        spec = read_specs(root, environment)[0]
        found = files or tuple(sorted((root / "grafana" / "dashboards").glob("*.json")))
        if not found:
            folder, options = root / "grafana/dashboards", same_project(root, environment)
            raise BadInput(f"{folder}: no dashboards; run `etter-obs generate{options}` first")
        boards = [_read(path) for path in found]
    findings = []
    for board in boards:
        try:
            findings += lint([board], spec)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{board.path}: not a dashboard as Grafana writes it: {error}") from None
    for rule, finding in findings:
        click.echo(f"{finding} [{rule}]", err=True)
    if findings:
        raise SystemExit(DRIFT)
    panels = sum(1 for board in boards for _ in board.panels)
    most = max(at_load(board) for board in boards)
    click.echo(
        f"{len(boards)} dashboards, {panels} panels, {len(RULES)} rules: ok; "
        f"at most {most} queries per dashboard when it opens"
    )


def _read(path: Path) -> BoardView:
    from etter_obs._internal.dashboards.lint.model import BoardView

    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path}: not a dashboard: expected a JSON object")
    return BoardView(str(path), raw)
