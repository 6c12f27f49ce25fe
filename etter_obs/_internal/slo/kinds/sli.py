"""The SLI of an SLO: exactly one kind."""

from __future__ import annotations

from etter_obs._internal.slo.kinds.base import SliKind
from etter_obs._internal.slo.kinds.latency import LatencySli
from etter_obs._internal.slo.kinds.promql import PromQL
from etter_obs._internal.slo.kinds.ratio import Ratio
from etter_obs._internal.slo.kinds.requests import Requests
from etter_obs._internal.slo.kinds.saturation import Saturation
from etter_obs._internal.slo.spec.fields import Model


class Sli(Model):
    """What the SLO counts. Write exactly one kind."""

    requests: Requests | None = None
    latency: LatencySli | None = None
    ratio: Ratio | None = None
    saturation: Saturation | None = None
    promql: PromQL | None = None

    @property
    def given(self) -> dict[str, SliKind]:
        """The kinds in slo.yaml, by name; the loader requires exactly one."""
        kinds = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: kind for name, kind in kinds.items() if kind is not None}

    @property
    def name(self) -> str:
        """The name of the kind: ``requests``, ``latency`` and so on."""
        return next(iter(self.given))

    @property
    def kind(self) -> SliKind:
        """The kind itself."""
        return next(iter(self.given.values()))
