"""The routes of the app: how often they are called, how they fail, how long they take."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from etter_obs._internal.conventions import REQUEST_DURATION, REQUESTS, Label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etter_obs._internal.console.readings import Distribution, MergedReadings


class RouteCounts(NamedTuple):
    """What was counted for one route: requests, 4xx, 5xx, durations."""

    requests: float
    client_errors: float
    server_errors: float
    durations: Distribution | None

    def since(self, earlier: RouteCounts | None) -> RouteCounts:
        """Return what came after ``earlier``."""
        if earlier is None:
            return self
        return RouteCounts(
            self.requests - earlier.requests,
            self.client_errors - earlier.client_errors,
            self.server_errors - earlier.server_errors,
            self.durations and self.durations.since(earlier.durations),
        )


def count_routes(readings: MergedReadings) -> dict[tuple[str, str], RouteCounts]:
    """Return the counts of each method and route."""
    durations: dict[tuple[str, str], Distribution] = {}
    for labels, found in readings.distributions(REQUEST_DURATION):
        key = (labels[Label.METHOD], labels[Label.ENDPOINT])
        durations[key] = found.plus(durations.get(key))
    counts: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for labels, value in readings.values(REQUESTS):
        row = counts[labels[Label.METHOD], labels[Label.ENDPOINT]]
        row[0] += value
        status = labels[Label.STATUS]
        row[1] += value if status.startswith("4") else 0.0
        row[2] += value if status.startswith("5") else 0.0
    return {
        key: RouteCounts(row[0], row[1], row[2], durations.get(key)) for key, row in counts.items()
    }


def describe_routes(
    now: Mapping[tuple[str, str], RouteCounts],
    window: Mapping[tuple[str, str], RouteCounts],
    seconds: float,
) -> list[dict[str, Any]]:
    """Return the routes as the page shows them.

    Args:
        now: Everything since the start.
        window: The newest part of it.
        seconds: Length of that part.
    """
    rows = []
    for (method, endpoint), total in now.items():
        recent = window[method, endpoint]
        took = recent.durations
        rows.append(
            {
                "method": method,
                "endpoint": endpoint,
                "rate": recent.requests / seconds,
                "requests": recent.requests,
                "client_errors": recent.client_errors,
                "server_errors": recent.server_errors,
                "p50": took and took.quantile(0.5),
                "p95": took and took.quantile(0.95),
                "p99": took and took.quantile(0.99),
                "total": total.requests,
                "total_server_errors": total.server_errors,
            }
        )
    return rows
