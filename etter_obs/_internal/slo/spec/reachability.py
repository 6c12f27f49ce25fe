"""Which tiers can fire at all, when they would, and what is gone by then.

A share of bad events cannot exceed 1. So a tier whose threshold, factor x (1 - objective), is 1 or
more never fires; a spec that requests it is refused instead of getting an alert that cannot fire.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from etter_obs._internal.slo.spec.models import Slo, asked_tiers
from etter_obs._internal.slo.spec.policy import Tier
from etter_obs._internal.text.units import percent_text


def threshold(tier: Tier, slo: Slo, period: Decimal) -> Decimal:
    """Return the share of bad events above which ``tier`` fires, e.g. 0.0144."""
    return tier.factor(period) * slo.budget


def tiers_of(slo: Slo, period: Decimal) -> tuple[Tier, ...]:
    """Return the tiers that ``slo`` asks for and that can fire."""
    return tuple(tier for tier in asked_tiers(slo) if threshold(tier, slo, period) < 1)


def reachable_objectives(slo: Slo, period: Decimal) -> str:
    """Say from which objective on each tier that ``slo`` asks for could fire."""
    return "; ".join(
        f"{tier.name} can from an objective of more than {percent_text(lowest(tier, period))}"
        for tier in asked_tiers(slo)
    )


def lowest(tier: Tier, period: Decimal) -> Decimal:
    """Return an objective above which ``tier`` can fire: 1 - 1 / factor, rounded up to 0.01 %."""
    exact = 1 - 1 / tier.factor(period)
    return exact.quantize(Decimal("0.0001"), ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a steady share of bad events does to one tier."""

    tier: Tier
    threshold: Decimal
    reachable: bool

    def detection(self, bad_share: Decimal) -> Decimal | None:
        """Return the seconds until the tier fires, None where it never does.

        Before the fault all was well, so the long window's share grows evenly: it passes the
        threshold after threshold / bad_share of the window, and the short window has by then.
        """
        if not self.reachable or bad_share <= self.threshold:
            return None
        return self.tier.long * self.threshold / bad_share

    def budget_gone(self, bad_share: Decimal, budget: Decimal, period: Decimal) -> Decimal | None:
        """Return the share of the period's budget that is gone when the tier fires."""
        seconds = self.detection(bad_share)
        return None if seconds is None else bad_share * seconds / (budget * period)


def reaches(slo: Slo, period: Decimal) -> tuple[Reach, ...]:
    """Return the reach of every tier that ``slo`` asks for."""
    return tuple(
        Reach(tier, limit, limit < 1)
        for tier in asked_tiers(slo)
        for limit in (threshold(tier, slo, period),)
    )
