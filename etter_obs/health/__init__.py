"""Health: four endpoints, checks that cannot hang, draining, and a port for operators."""

from __future__ import annotations

from etter_obs.health.checks import CheckCallable
from etter_obs.health.outcome import Outcome, Summary
from etter_obs.health.service import Health

__all__ = ["CheckCallable", "Health", "Outcome", "Summary"]
