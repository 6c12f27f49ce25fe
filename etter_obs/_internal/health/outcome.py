"""What is known of one check, and of all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etter_obs._internal.conventions import HealthReason, HealthStatus


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of a check ended. ``duration`` is in seconds."""

    reason: HealthReason
    duration: float = 0.0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: float = field(default_factory=time.monotonic)

    @property
    def healthy(self) -> bool:
        """Whether the check passed."""
        return self.reason is HealthReason.OK


@dataclass(frozen=True, slots=True)
class Summary:
    """The state of the whole: its status, why it is not ready, and each check's outcome.

    ``outcomes`` is None in an answer that is for everyone.
    """

    status: HealthStatus
    reason: HealthReason
    outcomes: Mapping[str, Outcome] | None = None
