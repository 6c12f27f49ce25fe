"""Health: four endpoints, checks with timeouts, draining, and a management port."""

from __future__ import annotations

from etter_obs._internal.health.check_runner import CheckCallable
from etter_obs._internal.health.outcome import Outcome, Summary
from etter_obs._internal.health.service import Health

__all__ = ["CheckCallable", "Health", "Outcome", "Summary"]
