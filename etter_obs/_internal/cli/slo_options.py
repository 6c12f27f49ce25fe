"""What the commands about one service's SLOs share, beside what all commands do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from etter_obs._internal.cli.common import BadInput, Command, clear_errors, project_options
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.spec.models import Spec


def service_options(command: Command) -> Command:
    """Add ``--dir``, ``--environment`` and ``--service``."""
    option = click.option(
        "--service", metavar="NAME", help="Service in slo.yaml (default: the first)."
    )
    return project_options(option(command))


def prometheus_option(command: Command) -> Command:
    """Add ``--prometheus``."""
    return click.option(
        "--prometheus",
        "url",
        default="http://localhost:9090",
        show_default=True,
        help="URL of Prometheus.",
    )(command)


def read_spec(root: Path, environment: str | None, service: str | None) -> Spec:
    """Read the spec of one service from ``slo.yaml`` in ``root``.

    Args:
        root: folder with slo.yaml.
        environment: whose overrides apply; None: that of slo.yaml.
        service: its name; None: the first of the file.

    Raises:
        SpecError: see ``load_spec``.
    """
    return load_spec(root / "slo.yaml", environment, service)


@contextmanager
def refusing(*errors: type[Exception]) -> Iterator[None]:
    """Like ``clear_errors``, for these errors of a command's own too."""
    with clear_errors():
        try:
            yield
        except errors as error:
            raise BadInput(str(error)) from None
