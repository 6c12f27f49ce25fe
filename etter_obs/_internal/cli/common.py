"""What the commands share: options, and errors as one message with an exit code."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from etter_obs._internal.bundle import PROJECT_FOLDER, project_root
from etter_obs._internal.slo.loading.loader import SpecError, load_environments, load_specs
from etter_obs._internal.slo.loading.validation import PromqlChecker
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.tool_lookup import find_program

DRIFT: Final = 1
BAD_INPUT: Final = 2

Command = Callable[..., Any]


class BadInput(click.ClickException):
    """Something given to a command is wrong; ends it with code 2."""

    exit_code = BAD_INPUT

    def show(self, file: Any = None) -> None:
        """Print the message as it is: its lines begin with their places."""
        click.echo(self.format_message(), err=True)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn errors that a user can fix into one message; anything else is a bug and propagates."""
    try:
        yield
    except SpecError as error:
        raise BadInput(str(error)) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise BadInput(f"{place}{error.strerror or error}") from None


def _project(_: object, __: object, value: Path | None) -> Path:
    return value or project_root(Path())


def _environment(_: object, __: object, value: str | None) -> str | None:
    from etter_obs._internal.slo.spec.fields import wrong_name

    if value is not None and (why := wrong_name(value)):
        raise click.BadParameter(why)
    return value


def project_options(command: Command) -> Command:
    """Add ``--dir`` and ``--environment``."""
    for option in (
        click.option(
            "--environment",
            metavar="NAME",
            callback=_environment,
            help="Environment whose overrides apply (default: the one in slo.yaml).",
        ),
        click.option(
            "--dir",
            "root",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            callback=_project,
            help=f"Folder with slo.yaml (default: {PROJECT_FOLDER}/, else the current folder).",
        ),
    ):
        command = option(command)
    return command


def same_project(root: Path, environment: str | None = None) -> str:
    """Return the options with which another command works on this project from here too."""
    found = project_root(Path()).resolve() == root.resolve()
    where = "" if found else f" --dir {shlex.quote(str(root))}"
    return where + (f" --environment {environment}" if environment else "")


def program_option(name: str) -> Callable[[Command], Command]:
    """Add the option that names the program ``name``; its value is an absolute path."""

    def absolute(_: object, __: object, value: Path | None) -> Path | None:
        return value and value.absolute()  # "promtool" here is a file, and not one on the PATH

    return click.option(
        f"--{name}",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        callback=absolute,
        help=f"Path of {name}.",
    )


def read_specs(root: Path, environment: str | None) -> tuple[Spec, ...]:
    """Read ``slo.yaml`` in ``root``.

    Raises:
        SpecError: see ``load_specs``.
    """
    return load_specs(root / "slo.yaml", environment)


def checked_specs(
    root: Path, environment: str | None, promtool: Path | None = None
) -> tuple[Spec, ...]:
    """Read ``slo.yaml`` like ``read_specs``, and let promtool parse the PromQL in it.

    Args:
        root: folder with slo.yaml.
        environment: whose overrides apply; None: that of slo.yaml.
        promtool: parses the PromQL; None: the one on the PATH or built by ``make stack``, if any.

    Raises:
        SpecError: see ``load_specs``; also where promtool refuses an expression.
    """
    return load_specs(root / "slo.yaml", environment, _promql_checker(promtool))


def checked_environments(root: Path) -> dict[str, tuple[Spec, ...]]:
    """Read the specs of every environment of ``slo.yaml``, its own first; see ``checked_specs``."""
    return load_environments(root / "slo.yaml", _promql_checker(None))


def _promql_checker(promtool: Path | None) -> PromqlChecker | None:
    # Imported here: --help needs no rules.
    from etter_obs._internal.slo.analysis.promql_check import promql_checker

    program = promtool or find_program("promtool")
    return promql_checker(program) if program else None
