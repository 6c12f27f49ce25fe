"""The kinds of SLI, one module each.

A kind is a subclass of ``SliKind``: its fields are the keys in slo.yaml; its methods check them,
write their PromQL, create series for rule tests and break down bad events. A new kind is a module
here and a field of ``Sli``.
"""

from etter_obs._internal.slo.kinds.base import SliExpressions, SliKind
from etter_obs._internal.slo.kinds.latency import LatencySli
from etter_obs._internal.slo.kinds.promql import PromQL
from etter_obs._internal.slo.kinds.ratio import Ratio
from etter_obs._internal.slo.kinds.requests import Requests
from etter_obs._internal.slo.kinds.saturation import Saturation
from etter_obs._internal.slo.kinds.sli import Sli

__all__ = [
    "LatencySli",
    "PromQL",
    "Ratio",
    "Requests",
    "Saturation",
    "Sli",
    "SliExpressions",
    "SliKind",
]
