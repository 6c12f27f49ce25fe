"""What no single field can tell: fields that need each other, and names that must exist.

Each check yields ``(path, message)``; the loader turns the path into the line of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from etter_obs._internal.conventions import constants_of
from etter_obs._internal.conventions.external import Job
from etter_obs._internal.slo.kinds.checks import Path, Problem
from etter_obs._internal.slo.spec.fields import wrong_name
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.policy import TIERS
from etter_obs._internal.slo.spec.reachability import reachable_objectives, tiers_of
from etter_obs._internal.slo.spec.receivers import Receiver
from etter_obs._internal.text.near_miss import did_you_mean
from etter_obs._internal.text.units import decimal_text, percent_text

PromqlChecker = Callable[[Spec], Iterable[Problem]]
"""Yields what is wrong with a spec that is right as far as this package can tell."""

RESERVED: Final = {"stack", "tempo", "grafana", *constants_of(Job)}
"""Names of the stack's own alerts and of its scrape jobs."""


def wrong_service(name: str) -> str | None:
    """Return why no service can have this name, None where one can."""
    if name in RESERVED:
        return f"{name!r} is the name of a part of the stack; choose another name"
    return wrong_name(name)


def problems(spec: Spec) -> Iterator[Problem]:
    """Yield everything that is wrong with a spec whose fields are each right."""
    if why := wrong_service(spec.service):
        yield ("service",), why
    if not spec.slos:
        yield ("slos",), "slos is empty; add at least one SLO"
    yield from _receivers(spec)
    seen: set[str] = set()
    for index, slo in enumerate(spec.slos):
        path: Path = ("slos", index)
        if slo.name in seen:
            yield (*path, "name"), f"another SLO above is already named {slo.name!r}"
        seen.add(slo.name)
        for inner, message in (*_sli(slo, spec), *_alerting(slo, spec)):
            yield (*path, *inner), message


def _receivers(spec: Spec) -> Iterator[Problem]:
    named: list[tuple[Path, Receiver | None]] = [
        (("receivers", "page"), spec.receivers.page),
        (("receivers", "ticket"), spec.receivers.ticket),
        (("receivers", "watchdog"), spec.receivers.watchdog),
    ]
    for team, own in spec.teams.items():
        named += [(("teams", team, "page"), own.page), (("teams", team, "ticket"), own.ticket)]
    for path, receiver in named:
        if receiver is not None and not receiver.model_dump(exclude_none=True):
            kinds = ", ".join(Receiver.model_fields)
            yield path, f"a receiver needs at least one of {kinds}"


def _sli(slo: Slo, spec: Spec) -> Iterator[Problem]:
    kinds = list(slo.sli.given)
    if len(kinds) != 1:
        said = f"it has {' and '.join(kinds)}" if kinds else "it has none"
        yield ("sli",), f"an SLI has exactly one of {', '.join(type(slo.sli).model_fields)}; {said}"
        return
    for inner, message in slo.sli.kind.problems(spec):
        yield ("sli", kinds[0], *inner), message


def _alerting(slo: Slo, spec: Spec) -> Iterator[Problem]:
    """Look for tiers that are none, that the mode excludes, or of which none can fire."""
    wrong = list(_tiers(slo))
    yield from wrong
    if slo.alerting.mode != "off" and not wrong and not tiers_of(slo, spec.period):
        most = (1 / slo.budget).quantize(Decimal("0.01"), ROUND_FLOOR)
        yield (
            ("objective",),
            f"with {percent_text(slo.objective)} no requested tier can fire: "
            f"even a full outage burns only {decimal_text(most)} times too fast. "
            f"{reachable_objectives(slo, spec.period)}",
        )


def _tiers(slo: Slo) -> Iterator[Problem]:
    mode, asked = slo.alerting.mode, slo.alerting.tiers
    severities = {tier.name: tier.severity for tier in TIERS}
    if asked == () and mode != "off":
        yield ("alerting", "tiers"), "tiers is empty; remove it, or write alerting: off"
    for index, name in enumerate(asked or ()):
        path: Path = ("alerting", "tiers", index)
        if name not in severities:
            yield path, f"no tier {name!r}{did_you_mean(name, severities)}"
        elif mode == "ticket" and severities[name] != mode:
            tickets = " or ".join(tier for tier, known in severities.items() if known == mode)
            yield (
                path,
                f"{name} pages, but mode: ticket never pages; write {tickets}, or remove mode",
            )
