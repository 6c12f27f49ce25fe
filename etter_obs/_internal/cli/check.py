"""``etter-obs check``."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click

from etter_obs._internal.cli.common import (
    BAD_INPUT,
    DRIFT,
    checked_specs,
    clear_errors,
    program_option,
    project_options,
    same_project,
)
from etter_obs._internal.tool_lookup import find_program, install_commands

_TOO_OLD: Final = 'parse error: unexpected identifier "anchored"'
"""What a promtool says of the newest PromQL that rules are made of, if it does not know it."""


class _Verification(NamedTuple):
    """What a program is asked to judge."""

    what: str
    program: str
    arguments: list[str]
    amount: int
    """How many files it reads."""


@click.command()
@program_option("promtool")
@program_option("amtool")
@click.option("--tests/--no-tests", default=True, help="Also run the generated rule tests.")
@click.option("--require", is_flag=True, help="Exit with 2 if promtool or amtool is missing.")
@project_options
def check(
    promtool: Path | None,
    amtool: Path | None,
    tests: bool,
    require: bool,
    root: Path,
    environment: str | None,
) -> None:
    """Check slo.yaml, the generated files and the rules.

    The rules are checked with promtool, Alertmanager's configuration with amtool.

    promtool and amtool are looked up on the PATH, then among those that `make stack` built. If one
    is missing, the command reports what was not checked and how to install the program; with
    --require it fails.

    \b
      etter-obs check
      etter-obs check --require                       in CI
      etter-obs check --no-tests
      etter-obs check --promtool ~/bin/promtool --amtool ~/bin/amtool
    """
    from etter_obs._internal.generate.plan import plan

    with clear_errors():
        specs = checked_specs(root, environment, promtool)
        changes = plan(specs).changes(root)
        if changes:
            for change in changes:
                click.echo(f"{root / change.path}: {change.what}", err=True)
            click.echo(f"run `etter-obs generate{same_project(root, environment)}` first", err=True)
            raise SystemExit(DRIFT)
        click.echo("slo.yaml and the generated files agree")
        programs = {
            "promtool": promtool or find_program("promtool"),
            "amtool": amtool or find_program("amtool"),
        }
        failed = False
        left_out: dict[str, list[str]] = {}
        for verification in _verifications(root, tests):
            binary = programs[verification.program]
            if binary is None:
                left_out.setdefault(verification.program, []).append(verification.what)
                continue
            complaint = _run(binary, verification)
            click.echo(f"{verification.what}: {'ok' if complaint is None else 'FAILED'}")
            failed |= complaint is not None
            if complaint and _TOO_OLD in complaint:
                click.echo(_advice_on_age(binary, verification.program), err=True)
                break
            if complaint:
                click.echo(complaint, err=True)
        for name, whats in left_out.items():
            click.echo(
                f"{' and '.join(whats)}: not checked, because {name} is not on the PATH. "
                f"Install it with one of these:\n{install_commands(name)}\n"
                f"  then add it to the PATH, or use --{name} ./{name}",
                err=True,
            )
    raise SystemExit(DRIFT if failed else BAD_INPUT if require and left_out else 0)


def _verifications(root: Path, tests: bool) -> Iterator[_Verification]:
    rules = [
        str(path)
        for folder in ("prometheus/rules", "alerts/rules")
        for path in sorted((root / folder).glob("*.yml"))
    ]
    lint = ["check", "rules", "--lint=all", "--lint-fatal"]
    yield _Verification("rules", "promtool", [*lint, *rules], len(rules))
    cases = sorted(map(str, (root / "alerts/tests").glob("*.yml")))
    if tests and cases:
        yield _Verification("rule tests", "promtool", ["test", "rules", *cases], len(cases))
    routing = str(root / "alerts/alertmanager.yml")
    yield _Verification("routing", "amtool", ["check-config", routing], 1)


def _run(binary: Path, verification: _Verification) -> str | None:
    """Run a checker and show that it runs: rule tests play days of samples and take minutes."""
    from rich.console import Console  # imported here: --help does not need it

    what = f"{verification.what}: {verification.program} runs {verification.amount} files …"
    console = Console(stderr=True)
    if not console.is_terminal:
        click.echo(what, err=True)
    with console.status(what):  # shown on a terminal only
        return _complaint(binary, verification)


def _complaint(binary: Path, verification: _Verification) -> str | None:
    """Run a checker; return what it said if it refuses, else None."""
    try:
        done = subprocess.run(  # noqa: S603  # the program that the user names, no shell
            [binary, *verification.arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        click.echo(f"--{verification.program} {binary}: cannot run: {error.strerror}", err=True)
        raise SystemExit(BAD_INPUT) from None
    return f"{done.stdout}{done.stderr}" if done.returncode else None


def _advice_on_age(binary: Path, name: str) -> str:
    return (
        f"{binary}: too old for rule_form: exact. Install a newer one with one of these:\n"
        f"{install_commands(name)}\n"
        "  or set `engine: thanos` in slo.yaml: its rules also run on a Prometheus this old"
    )
