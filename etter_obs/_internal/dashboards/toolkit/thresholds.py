"""Limits for panels, read from the spec: no threshold is written twice.

A spec need not have every SLO: where a target is missing its panel has no limit and no red.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etter_obs._internal.conventions import Metric
from etter_obs._internal.dashboards.toolkit.links import of_slo
from etter_obs._internal.dashboards.toolkit.panel_docs import Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etter_obs._internal.slo.kinds import LatencySli, Saturation
    from etter_obs._internal.slo.spec.models import Slo, Spec

_USUAL: Final = (0.5, 0.95, 0.99)
_NEAR: Final = 0.8
"""Share of a limit from which a value is worth a look."""


def quantiles(spec: Spec, metric: Metric) -> tuple[float, ...]:
    """Return the quantiles that have a target: p50, p95 and p99 where the spec sets none.

    "95 % of requests within 500 ms" is the same promise as "p95 is at most 500 ms".
    """
    return tuple(sorted({float(slo.objective) for slo, _ in _latencies(spec, metric)})) or _USUAL


def quantile(spec: Spec, metric: Metric, q: float) -> Limit | None:
    """Return the limit of the ``q`` quantile of ``metric``, in seconds.

    Args:
        spec: the service.
        metric: a histogram of the app.
        q: from 0 to 1.
    """
    for slo, sli in _latencies(spec, metric):
        if float(slo.objective) == q:
            return _ceiling(spec, slo, float(sli.threshold))
    return None


def bad_status(spec: Spec, status: str) -> Limit | None:
    """Return the limit of the share of answers with a status of this class."""
    for slo in spec.slos:
        if slo.sli.requests is not None and slo.sli.requests.bad_status == status:
            return _ceiling(spec, slo, float(slo.budget))
    return None


def ratio(spec: Spec, metric: Metric) -> Limit | None:
    """Return the limit of the share that ``metric`` counts: a floor for good, a ceiling for bad."""
    for slo in spec.slos:
        if slo.sli.ratio is None:
            continue
        if slo.sli.ratio.good == metric.suffix:
            return _floor(spec, slo, float(slo.objective))
        if slo.sli.ratio.bad == metric.suffix:
            return _ceiling(spec, slo, float(slo.budget))
    return None


def bound(spec: Spec, metric: Metric) -> Limit | None:
    """Return the bound of a saturation SLO whose query reads ``metric``."""
    name = metric.name(spec.metric_prefix)
    return _saturation(spec, lambda sli: name in (sli.query or ""))


def resource(spec: Spec, name: str) -> Limit | None:
    """Return the bound of a resource of the hosts: ``cpu``, ``memory`` or ``disk-io``."""
    return _saturation(spec, lambda sli: sli.resource == name)


def _latencies(spec: Spec, metric: Metric) -> Iterator[tuple[Slo, LatencySli]]:
    """Yield the latency SLOs on all routes of ``metric``."""
    for slo in spec.slos:
        sli = slo.sli.latency
        if sli is not None and sli.metric == metric.suffix and not sli.routes:
            yield slo, sli


def _saturation(spec: Spec, wanted: Callable[[Saturation], bool]) -> Limit | None:
    for slo in spec.slos:
        sli = slo.sli.saturation
        if sli is None or not wanted(sli):
            continue
        if sli.below is not None:
            return _ceiling(spec, slo, float(sli.below))
        if sli.above is not None:
            return _floor(spec, slo, float(sli.above))
    return None


def _ceiling(spec: Spec, slo: Slo, bad: float) -> Limit:
    return Limit(bad, warn=_rounded(_NEAR * bad), links=of_slo(spec, slo))


def _floor(spec: Spec, slo: Slo, bad: float) -> Limit:
    return Limit(
        bad,
        warn=_rounded(bad / _NEAR if bad > 1 else bad + (1 - bad) * (1 - _NEAR)),
        floor=True,
        links=of_slo(spec, slo),
    )


def _rounded(value: float) -> float:
    """Drop what binary arithmetic adds: 0.8 times 0.001 is 0.0008."""
    return float(f"{value:.6g}")
