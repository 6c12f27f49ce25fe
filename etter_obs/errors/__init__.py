"""Error reports to Sentry, captured explicitly."""

from etter_obs.errors.tracker import ErrorTracker

__all__ = ["ErrorTracker"]
