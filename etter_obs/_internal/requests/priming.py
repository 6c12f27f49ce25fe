"""The series of a route that the rules read; each must exist at 0 before its first event."""

from __future__ import annotations

from collections.abc import Callable

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Metric
from etter_obs._internal.metrics.requests import Needs
from etter_obs._internal.slo.spec.models import Spec


def needs(spec: Spec) -> Callable[[str], Needs]:
    """Return a function that returns, for a route's template, the series that the SLIs read.

    It omits failures whose status is unknown in advance (503 if a whole class is bad, any 4xx)
    and routes that an SLI excludes.
    """
    kinds = [slo.sli.kind for slo in spec.slos]

    def of_route(template: str) -> Needs:
        mine = [kind for kind in kinds if kind.covers(template)]

        def is_read(metric: Metric) -> bool:
            return any(kind.reads(metric) for kind in mine)

        return Needs(
            requests=is_read(conventions.REQUESTS),
            failures=frozenset(status for kind in mine for status in kind.failures()),
            durations=is_read(conventions.REQUEST_DURATION)
            and template not in spec.streaming_routes,
            websockets=is_read(conventions.WEBSOCKET_DURATION),
        )

    return of_route
