"""Which series of a route the rules read: these must be there at 0 before the first event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from etter_obs import conventions
from etter_obs.conventions import Metric
from etter_obs.metrics.requests import Needs
from etter_obs.slo.spec.models import Sli, Spec

_UNHANDLED: Final = 500
"""The status of an exception that nobody handles: the one of its class that any route may have."""


def needs(spec: Spec) -> Callable[[str], Needs]:
    """Return what tells, by a route's template, what the SLIs of ``spec`` read of it.

    A failure whose status is not known in advance (503 where a whole class is bad, any 4xx) is not
    among it, nor is anything of a route that an SLI leaves out.
    """
    slis = [slo.sli for slo in spec.slos]

    def of_route(template: str) -> Needs:
        mine = [sli for sli in slis if _reads(sli, template)]
        return Needs(
            requests=any(sli.requests or _names(sli, conventions.REQUESTS) for sli in mine),
            failures=frozenset(status for sli in mine for status in _failures(sli)),
            durations=any(_names(sli, conventions.REQUEST_DURATION) for sli in mine)
            and template not in spec.streaming_routes,
            websockets=any(_names(sli, conventions.WEBSOCKET_DURATION) for sli in mine),
        )

    return of_route


def _reads(sli: Sli, template: str) -> bool:
    chosen = sli.requests or sli.latency
    return chosen is None or not chosen.routes or template in chosen.routes


def _failures(sli: Sli) -> Iterator[int]:
    if sli.requests is None:
        if _names(sli, conventions.REQUESTS):
            yield _UNHANDLED
    elif isinstance(sli.requests.bad_status, tuple):
        yield from sli.requests.bad_status
    elif sli.requests.bad_status.startswith("5"):
        yield _UNHANDLED


def _names(sli: Sli, metric: Metric) -> bool:
    """Tell whether an SLI names a metric, a person's own PromQL included."""
    if sli.latency is not None:
        return sli.latency.metric == metric.suffix
    if sli.ratio is not None:
        return metric.suffix in (sli.ratio.good, sli.ratio.bad, sli.ratio.total)
    return sli.promql is not None and metric.suffix in f"{sli.promql.bad} {sli.promql.total}"
