"""Labels and selectors of an SLO's own recordings."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from etter_obs._internal.conventions import Label
from etter_obs._internal.text.promql import equals, series

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


@lru_cache(maxsize=4096)  # every rule and test of an SLO repeats the same few selectors
def _recorded(rule: str, service: str, environment: str, slo: str) -> str:
    own = ((Label.SERVICE, service), (Label.ENVIRONMENT, environment), (Label.SLO, slo))
    return series(rule, (equals(label, value) for label, value in own))
