"""``etter-obs check``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from etter_obs.cli.common import BAD_INPUT, DRIFT, clear_errors, judged_specs, project_options
from etter_obs.programs import find_program


@click.command()
@click.option("--promtool", type=click.Path(path_type=Path), help="Where promtool is.")
@click.option("--amtool", type=click.Path(path_type=Path), help="Where amtool is.")
@click.option("--tests/--no-tests", default=True, help="Run the generated rule tests too.")
@project_options
def check(
    promtool: Path | None, amtool: Path | None, tests: bool, root: Path, environment: str | None
) -> None:
    """Check slo.yaml, drift, and every file by its own program.

    promtool and amtool are those on the PATH, else those that `make stack` built. Where one is
    missing, it says which check was left out.

    \b
      etter-obs check
      etter-obs check --no-tests
      etter-obs check --promtool ~/bin/promtool --amtool ~/bin/amtool
    """
    from etter_obs.slo.plan import plan

    with clear_errors():
        specs = judged_specs(root, environment, promtool)
        changes = plan(specs).changes(root)
        if changes:
            for change in changes:
                click.echo(f"{root / change.path}: {change.what}", err=True)
            click.echo("run `etter-obs generate` first", err=True)
            raise SystemExit(DRIFT)
        click.echo("slo.yaml and what follows from it agree")
        rules = sorted(root.glob("prometheus/rules/*.yml")) + sorted(
            root.glob("alerts/rules/*.yml")
        )
        cases = sorted(root.glob("alerts/tests/*.yml"))
        lint = ["check", "rules", "--lint=all", "--lint-fatal"]
        failed = _run("promtool", promtool, [*lint, *map(str, rules)], "rules")
        if tests and cases:
            failed |= _run("promtool", promtool, ["test", "rules", *map(str, cases)], "rule tests")
        failed |= _run(
            "amtool", amtool, ["check-config", str(root / "alerts/alertmanager.yml")], "routing"
        )
    raise SystemExit(DRIFT if failed else 0)


def _run(name: str, chosen: Path | None, arguments: list[str], what: str) -> bool:
    """Run a checker; print its output only when it fails. Returns whether it failed."""
    binary = chosen or find_program(name)
    if binary is None:
        click.echo(f"{what}: not checked, {name} is not on the PATH (--{name} takes its path)")
        return False
    try:
        done = subprocess.run(  # noqa: S603  # the program that the user names, no shell
            [binary, *arguments], capture_output=True, text=True, check=False
        )
    except OSError as error:
        click.echo(f"--{name} {binary}: cannot be run: {error.strerror}", err=True)
        raise SystemExit(BAD_INPUT) from None
    if done.returncode:
        click.echo(f"{done.stdout}{done.stderr}", err=True)
    click.echo(f"{what}: {'FAILED' if done.returncode else 'good'}")
    return done.returncode != 0
