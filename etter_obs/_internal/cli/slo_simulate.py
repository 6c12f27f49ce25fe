"""`etter-obs slo simulate`: an outage through the generated rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import click
from rich.console import Console

from etter_obs._internal.cli.common import BadInput, program_option
from etter_obs._internal.cli.slo_options import read_spec, refusing, service_options
from etter_obs._internal.slo.prometheus.promtool import PromtoolError, find_promtool
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.text.near_miss import did_you_mean
from etter_obs._internal.text.units import duration_text, parse_duration, parse_rate, parse_ratio

_SHORTEST, _LONGEST = Decimal(30), Decimal(7 * 86400)


def _quantities(parse: Callable[[object], Decimal]) -> Callable[..., tuple[Decimal, ...]]:
    """Make an option take quantities as slo.yaml writes them."""

    def callback(_: object, __: object, values: tuple[str, ...]) -> tuple[Decimal, ...]:
        try:
            return tuple(parse(value) for value in values)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


@click.command("simulate")
@click.option("--slo", "name", required=True, metavar="NAME", help="Name of the SLO.")
@click.option(
    "--error-rate",
    "shares",
    callback=_quantities(parse_ratio),
    metavar="SHARE",
    multiple=True,
    required=True,
    help="Share of bad events; repeat it for further steps.",
)
@click.option(
    "--for",
    "lengths",
    callback=_quantities(parse_duration),
    metavar="DURATION",
    multiple=True,
    required=True,
    help="Duration of a step; once per --error-rate.",
)
@click.option(
    "--traffic",
    "rates",
    callback=_quantities(parse_rate),
    metavar="RATE",
    multiple=True,
    default=["10/s"],
    show_default=True,
    help="Events per time; once, or once per step.",
)
@program_option("promtool")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@service_options
def simulate(
    name: str,
    shares: tuple[Decimal, ...],
    lengths: tuple[Decimal, ...],
    rates: tuple[Decimal, ...],
    promtool: Path | None,
    form: str,
    root: Path,
    environment: str | None,
    service: str | None,
) -> None:
    """Simulate an outage with the generated rules.

    Shows which alerts fire and clear, and when.

    Before the outage there is good traffic for as long as the longest window.

    \b
      etter-obs slo simulate --slo availability --error-rate 100% --for 20m --traffic 50/s
      etter-obs slo simulate --slo availability --error-rate 5% --for 1h --error-rate 0.5% --for 6h
    """
    from etter_obs._internal.slo.analysis import simulate as engine
    from etter_obs._internal.slo.analysis import simulate_text
    from etter_obs._internal.slo.rule_tests.synthetic_series import Step

    if len(shares) != len(lengths):
        raise BadInput(
            f"{len(shares)} × --error-rate but {len(lengths)} × --for; "
            "use one --for per --error-rate"
        )
    if len(rates) not in (1, len(shares)):
        raise BadInput(f"{len(rates)} × --traffic; use one, or one per --error-rate")
    for length in lengths:
        if not _SHORTEST <= length <= _LONGEST:
            raise BadInput(f"--for {duration_text(length)}: use a duration from 30s to 7d")
    if len(rates) == 1:
        rates = rates * len(shares)
    steps = [Step(*step) for step in zip(lengths, rates, shares, strict=True)]
    with refusing(PromtoolError):
        spec = read_spec(root, environment, service)
        slo = _find(spec, name)
        program = find_promtool(promtool)
        with Console(stderr=True).status("promtool evaluates the rules …"):
            made = engine.simulate(spec, slo, steps, program)
    if form == "json":
        click.echo(json.dumps([asdict(episode) for episode in made.episodes], indent=2))
        return
    console = Console()
    console.print(simulate_text.table(made))
    for lane in simulate_text.plot(made, console.width):
        console.print(lane, no_wrap=True, overflow="crop")


def _find(spec: Spec, name: str) -> Slo:
    try:
        return spec.slo(name)
    except KeyError:
        known = [slo.name for slo in spec.slos]
        raise BadInput(
            f"no SLO {name!r}{did_you_mean(name, known)}; the SLOs are {', '.join(known)}"
        ) from None
