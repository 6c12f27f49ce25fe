"""Error reports to Sentry, captured explicitly."""

from etter_obs._internal.errors.tracker import ErrorTracker

__all__ = ["ErrorTracker"]
