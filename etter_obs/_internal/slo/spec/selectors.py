"""Labels and selectors of an SLO's own recordings."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from etter_obs._internal.conventions import Label
from etter_obs._internal.text.promql import equals, over_time, series

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Slo, Spec


def own_labels(spec: Spec, slo: Slo) -> dict[str, str]:
    """Return the labels that every recording and alert of ``slo`` carries."""
    return {
        Label.SERVICE: spec.service,
        Label.ENVIRONMENT: spec.environment,
        Label.SLO: slo.name,
    }


def recorded(rule: str, spec: Spec, slo: Slo) -> str:
    """Return the selector of a recording of ``slo``.

    Args:
        rule: name of the recording.
        spec: the service.
        slo: the SLO.
    """
    return _recorded(rule, spec.service, spec.environment, slo.name)


def counted(rule: str, spec: Spec, slo: Slo, window: Decimal) -> str:
    """Return PromQL for the events that a base recording counted within ``window`` (seconds).

    A global rule adds up those of all clusters: counts add up, ratios do not.
    """
    return over_clusters(over_time("sum_over_time", recorded(rule, spec, slo), window), spec)


def over_clusters(expression: str, spec: Spec) -> str:
    """Return the sum over clusters for a global rule, else ``expression`` as it is."""
    return f"sum({expression})" if spec.is_global else expression


@lru_cache(maxsize=4096)  # every rule and test of an SLO repeats the same few selectors
def _recorded(rule: str, service: str, environment: str, slo: str) -> str:
    own = ((Label.SERVICE, service), (Label.ENVIRONMENT, environment), (Label.SLO, slo))
    return series(rule, (equals(label, value) for label, value in own))
