"""How each engine counts the events of one interval exactly, by its name in slo.yaml.

``increase`` of Prometheus extrapolates, so adjacent intervals do not add up to the events. The
modifier ``anchored`` removes that. For engines without it the exact form subtracts the last samples
of two moments, which every engine that speaks PromQL can do.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, TypeAlias

EngineName: TypeAlias = Literal["prometheus", "mimir", "thanos", "victoriametrics"]


class Counting(StrEnum):
    """How a base recording counts the events of one interval."""

    ANCHORED = "anchored"
    """``increase(…[30s] anchored)``: from the last sample before the interval."""
    DIFFERENCES = "differences"
    """The last sample minus the last sample before the interval, with resets seen."""
    SMOOTHED = "smoothed"
    """``rate(…[5m])``: counts 0.8 to 1.06 of the events on uneven traffic."""


EXACT: Final[dict[EngineName, Counting]] = {
    "prometheus": Counting.ANCHORED,
    "mimir": Counting.ANCHORED,
    "thanos": Counting.DIFFERENCES,
    "victoriametrics": Counting.DIFFERENCES,
}
"""The exact form of each engine (docs/slo-proofs.md has the versions)."""
