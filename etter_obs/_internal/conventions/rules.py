"""Names of recording rules."""

from __future__ import annotations

from typing import Final


class Rule:
    """Recording rules. The window is part of the name, so that ``and`` can match across windows.

    All carry the labels service, environment and slo.
    """

    TOTAL_INCREASE: Final = "slo:total:increase"
    BAD_INCREASE: Final = "slo:bad:increase"
    SATURATION: Final = "slo:saturation:value"
    """The value of a saturation SLI, averaged over its last slice."""
    OBJECTIVE: Final = "slo:objective:ratio"
    PERIOD: Final = "slo:period:seconds"
    INFO: Final = "slo:info"
    BUDGET_REMAINING: Final = "slo:error_budget_remaining:ratio"
    BURN_RATE: Final = "slo:burn_rate:ratio_1h"
    EXHAUSTION: Final = "slo:error_budget_exhaustion:seconds"
    SYNTHETIC: Final = "etter_obs_synthetic_history"
    """1 if the demo backfilled invented history. No rule records it, and it has no label slo."""

    @staticmethod
    def bad_ratio(window: str) -> str:
        """Return the name of the bad share over ``window``, for example ``slo:bad:ratio_1h``."""
        return f"slo:bad:ratio_{window}"
