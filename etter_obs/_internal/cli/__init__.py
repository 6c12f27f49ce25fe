"""The command line. One module a command; each says what it did, and where and how to mend."""

from __future__ import annotations

from typing import Any

import click

from etter_obs._internal.cli.check import check
from etter_obs._internal.cli.dashboards import dashboards
from etter_obs._internal.cli.doctor import doctor
from etter_obs._internal.cli.generate import generate
from etter_obs._internal.cli.init import init
from etter_obs._internal.cli.slo import slo
from etter_obs._internal.cli.terminal import use_a_safe_encoding


class _Commands(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        use_a_safe_encoding()
        return super().main(*args, **kwargs)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etter-obs")
def main() -> None:
    """Make everything that follows from slo.yaml, and tell whether it holds.

    \b
    A project's first day:
      etter-obs init --service shop  slo.yaml, the compose file and the configs, in etter-obs/
      $EDITOR etter-obs/slo.yaml     your targets
      etter-obs slo check            what can alert, and how soon
      etter-obs generate             rules, alerts, dashboards, runbooks, their tests

    \b
    In CI:
      etter-obs generate --check     fails when a file on disk differs
      etter-obs check --require      the same, and the rules through promtool

    Exit codes: 0 all is well; 1 something differs or a target is missed; 2 the input is wrong.
    """


for command in (init, generate, check, slo, dashboards, doctor):
    main.add_command(command)
