"""Which series of a route the rules read: these must be there at 0 before the first event."""

from __future__ import annotations

from collections.abc import Callable

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Metric
from etter_obs._internal.metrics.requests import Needs
from etter_obs._internal.slo.spec.models import Spec


def needs(spec: Spec) -> Callable[[str], Needs]:
    """Return what tells, by a route's template, what the SLIs of ``spec`` read of it.

    A failure whose status is not known in advance (503 where a whole class is bad, any 4xx) is not
    among it, nor is anything of a route that an SLI leaves out.
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
