"""What a lint rule receives and returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etter_obs._internal.conventions import METRICS, MetricKind, Rule, external
from etter_obs._internal.dashboards.lint.model import BoardView, PanelView
from etter_obs._internal.slo.spec.policy import WINDOWS
from etter_obs._internal.text.units import duration_text

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

_HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where: in which file, at which panel."""

    path: str
    panel: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}: {self.panel}" if self.panel else self.path
        return f"{place}: {self.message}"


def at(board: BoardView, panel: PanelView | None, message: str) -> Finding:
    """Say what is wrong with a panel, or with the dashboard where ``panel`` is None.

    Args:
        board: the dashboard.
        panel: the panel, None for the dashboard itself.
        message: what is wrong.
    """
    return Finding(board.path, "" if panel is None else f"“{panel.title}”", message)


@dataclass(frozen=True, slots=True)
class Known:
    """What exists: the spec's targets and every series name."""

    spec: Spec
    names: frozenset[str]

    @classmethod
    def of(cls, spec: Spec) -> Known:
        """Collect the names that the app, the rules and the stack's programs expose."""
        names = set(external.NAMES)
        names |= {name + part for name in external.HISTOGRAMS for part in _HISTOGRAM_PARTS}
        for metric in METRICS:
            name = metric.name(spec.metric_prefix)
            if metric.kind is MetricKind.HISTOGRAM:
                names |= {name + part for part in _HISTOGRAM_PARTS}
            else:
                names.add(name)
        names |= {value for key, value in vars(Rule).items() if key.isupper()}
        names |= {Rule.bad_ratio(duration_text(w)) for w in (*WINDOWS, spec.period)}
        return cls(spec, frozenset(names | set(spec.own_metrics)))
