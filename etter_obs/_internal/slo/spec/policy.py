"""The alert policy as data: burn rates and windows of pages and tickets.

A tier fires when both windows burn faster than its factor. At that rate the long window spends a
given share of the period's budget (Google's SRE workbook, "Alerting on SLOs", method 6):
factor = share x period / long.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final

from etter_obs._internal.text.units import duration_text

EVALUATION_INTERVAL: Final = Decimal(30)
"""Seconds between two evaluations of the base recordings; each covers exactly that interval."""
SCRAPE_INTERVAL: Final = Decimal(15)
"""Seconds between two scrapes (prometheus.yml's global default)."""
PERIOD_INTERVAL: Final = Decimal(240)
"""Seconds between two evaluations of the recordings over the whole period.

It is shorter than Prometheus's look-back of 5 minutes, so an instant query always finds a sample.
"""
LOOK_BACK: Final = Decimal(300)
"""Seconds that Prometheus looks back for a sample; after that, a series has ended."""
PORTABLE_RANGE: Final = Decimal(300)
"""Range of ``rate`` in the portable form, in seconds."""


class Severity(StrEnum):
    """Urgency of an alert: a page wakes someone, a ticket waits for the working day."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Tier:
    """One row of the policy; windows are seconds, ``budget`` is a share of the period's budget."""

    severity: Severity
    long: Decimal
    short: Decimal
    budget: Decimal

    @property
    def name(self) -> str:
        """The tier's name in labels and in the spec: ``page-1h``."""
        return f"{self.severity}-{self.long_text}"

    @property
    def long_text(self) -> str:
        """The long window as Prometheus writes it: ``1h``."""
        return duration_text(self.long)

    @property
    def short_text(self) -> str:
        """The short window as Prometheus writes it: ``5m``."""
        return duration_text(self.short)

    def factor(self, period: Decimal) -> Decimal:
        """Return the burn rate above which the tier fires, for a period of ``period`` seconds.

        At least 1: below it, the budget outlasts the period.
        """
        exact = self.budget * period / self.long
        return max(Decimal(1), exact.quantize(Decimal("0.000001"), ROUND_HALF_UP).normalize())


_MINUTE, _HOUR, _DAY = Decimal(60), Decimal(3600), Decimal(86400)

TIERS: Final = (
    Tier(Severity.PAGE, _HOUR, 5 * _MINUTE, Decimal("0.02")),
    Tier(Severity.PAGE, 6 * _HOUR, 30 * _MINUTE, Decimal("0.05")),
    Tier(Severity.TICKET, _DAY, 2 * _HOUR, Decimal("0.10")),
    Tier(Severity.TICKET, 3 * _DAY, 6 * _HOUR, Decimal("0.10")),
)

WINDOWS: Final = tuple(sorted({window for tier in TIERS for window in (tier.long, tier.short)}))
"""Windows, in seconds, whose share of bad events is recorded; the period is recorded too."""
