"""The outcome of one check, and the summary of all checks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etter_obs._internal.conventions import HealthReason, HealthStatus


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one run of a check. ``duration`` is in seconds."""

    reason: HealthReason
    duration: float = 0.0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: float = field(default_factory=time.monotonic)

    @property
    def healthy(self) -> bool:
        """Return whether the check passed."""
        return self.reason is HealthReason.OK


@dataclass(frozen=True, slots=True)
class Summary:
    """The state of the process: its status, the reason, and each check's outcome.

    ``outcomes`` is None in an answer that every client may see.
    """

    status: HealthStatus
    reason: HealthReason
    outcomes: Mapping[str, Outcome] | None = None
