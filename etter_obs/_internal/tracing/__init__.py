"""Traces: sampled before they cost anything, complete where something went wrong."""

from etter_obs._internal.tracing.provider import Tracing
from etter_obs._internal.tracing.sampling import UNTRACED, Decision

__all__ = ["UNTRACED", "Decision", "Tracing"]
