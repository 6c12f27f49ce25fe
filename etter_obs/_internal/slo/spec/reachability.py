"""Which tiers can fire, how soon, and how much budget is spent by then.

The share of bad events is at most 1, so a tier with a threshold, factor x (1 - objective), of 1 or
more never fires. The loader rejects a spec that selects such a tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from etter_obs._internal.slo.spec.models import Slo, asked_tiers
from etter_obs._internal.slo.spec.policy import Tier
from etter_obs._internal.text.units import percent_text


def threshold(tier: Tier, slo: Slo, period: Decimal) -> Decimal:
    """Return the share of bad events above which ``tier`` fires, such as 0.0144.

    Args:
        tier: of the alert policy.
        slo: has the objective.
        period: of the budget, in seconds.
    """
    return tier.factor(period) * slo.budget


def tiers_of(slo: Slo, period: Decimal) -> tuple[Tier, ...]:
    """Return the tiers that ``slo`` selects and that can fire."""
    return tuple(tier for tier in asked_tiers(slo) if threshold(tier, slo, period) < 1)


def reachable_objectives(slo: Slo, period: Decimal) -> str:
    """Return a text: above which objective each tier that ``slo`` selects can fire."""
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
    """How one tier reacts to a constant share of bad events."""

    tier: Tier
    threshold: Decimal
    reachable: bool

    def detection(self, bad_share: Decimal) -> Decimal | None:
        """Return the seconds until the tier fires, None if it never does.

        No event was bad before the fault, so the share in the long window grows linearly: it passes
        the threshold after threshold / bad_share of the window. The short window passes earlier.
        """
        if not self.reachable or bad_share <= self.threshold:
            return None
        return self.tier.long * self.threshold / bad_share

    def budget_gone(self, bad_share: Decimal, budget: Decimal, period: Decimal) -> Decimal | None:
        """Return the share of the period's budget that is spent when the tier fires.

        Args:
            bad_share: share of bad events, from 0 to 1.
            budget: share of events that may be bad.
            period: of the budget, in seconds.
        """
        seconds = self.detection(bad_share)
        return None if seconds is None else bad_share * seconds / (budget * period)


def reaches(slo: Slo, period: Decimal) -> tuple[Reach, ...]:
    """Return the reach of every tier that ``slo`` selects."""
    return tuple(
        Reach(tier, limit, limit < 1)
        for tier in asked_tiers(slo)
        for limit in (threshold(tier, slo, period),)
    )
