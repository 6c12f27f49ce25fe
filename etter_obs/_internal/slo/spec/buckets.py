"""Histogram buckets from the spec, so that every threshold has its bucket."""

from __future__ import annotations

from math import inf
from typing import Final

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Metric
from etter_obs._internal.slo.spec.models import Spec

DEFAULT: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds in seconds: prometheus_client's defaults, reduced to those useful for requests."""
DATABASE: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds in seconds for one database statement."""


def buckets(spec: Spec, metric: Metric, ladder: tuple[float, ...] = DEFAULT) -> tuple[float, ...]:
    """Return ``ladder`` and the thresholds of all SLIs on ``metric``, in seconds, sorted.

    Args:
        spec: the service.
        metric: the histogram.
        ladder: bounds in seconds that it has in any case.
    """
    bounds = (slo.sli.kind.bucket(metric) for slo in spec.slos)
    return tuple(sorted({float(bound) for bound in bounds if bound is not None}.union(ladder)))


def request_buckets(spec: Spec) -> tuple[float, ...]:
    """Return the bounds of ``request_duration_seconds``."""
    return buckets(spec, conventions.REQUEST_DURATION)


def tightest_latency(spec: Spec) -> float:
    """Return the lowest threshold in seconds above which a request is bad for some SLO."""
    bounds = (slo.sli.kind.bucket(conventions.REQUEST_DURATION) for slo in spec.slos)
    return min((float(bound) for bound in bounds if bound is not None), default=inf)


def db_buckets(spec: Spec) -> tuple[float, ...]:
    """Return the bounds of ``db_query_duration_seconds``."""
    return buckets(spec, conventions.DB_QUERY_DURATION, DATABASE)
