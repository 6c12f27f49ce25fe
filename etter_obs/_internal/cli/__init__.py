"""The command line. One module per command; each reports what it did, and how to fix problems."""

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
from etter_obs._internal.cli.view import view


class _Commands(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        use_a_safe_encoding()
        return super().main(*args, **kwargs)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etter-obs")
def main() -> None:
    """Generate rules, alerts, dashboards and runbooks from slo.yaml, and check SLOs.

    \b
    Start a project:
      etter-obs init --service shop  write slo.yaml, the compose file and the configuration
      $EDITOR etter-obs/slo.yaml     set your targets
      etter-obs slo check            show which alerts can fire, and how soon
      etter-obs generate             write rules, alerts, dashboards, runbooks, rule tests

    \b
    Look at it:
      etter-obs view                 show the dashboards in a browser, without Grafana

    \b
    In CI:
      etter-obs generate --check     fail if a file on disk differs
      etter-obs check --require      also check the rules with promtool and amtool

    Exit codes: 0 success; 1 a file differs or a target is missed; 2 wrong input.
    """


for command in (init, generate, check, slo, dashboards, view, doctor):
    main.add_command(command)
