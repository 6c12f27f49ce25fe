"""Health: four endpoints, checks that cannot hang, draining, and a port for operators."""

from __future__ import annotations

from etter_obs.health.checks import CheckCallable, Outcome
from etter_obs.health.service import Health, Summary

__all__ = ["CheckCallable", "Health", "Outcome", "Summary"]
