"""Traces: the sampling decision comes first; every failed or slow request has a span."""

from etter_obs._internal.tracing.provider import Tracing
from etter_obs._internal.tracing.sampling import UNTRACED, Decision

__all__ = ["UNTRACED", "Decision", "Tracing"]
