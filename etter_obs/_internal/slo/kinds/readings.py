"""What the app has counted so far, for SLIs that it can evaluate by itself, without Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from etter_obs._internal.conventions import Metric

Labels = Mapping[str, str]


class Events(NamedTuple):
    """Events of one part of an SLI: all of them, and the bad ones.

    ``part`` is the value of the label that tells where bad events come from: a route, a kind of
    statement. It is empty if no label does.
    """

    part: str
    total: float
    bad: float


class Readings(Protocol):
    """The current values of the app's metrics, over all of its workers."""

    def values(self, metric: Metric) -> Iterable[tuple[Labels, float]]:
        """Yield the label sets of a counter or a gauge, each with its value."""

    def within(self, metric: Metric, bound: float) -> Iterable[tuple[Labels, float, float]]:
        """Yield the label sets of a histogram: the count, and that of values up to ``bound``."""
