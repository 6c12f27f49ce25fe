"""What a panel says beside its data: its description, its limits, its links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from etter_obs._internal.dashboards.toolkit.links import Link
from etter_obs._internal.dashboards.toolkit.palette import BAD, GOOD, WARN

WHEN_RED: Final = "**When it is red:**"
WHEN_ODD: Final = "**When it looks wrong:**"


@dataclass(frozen=True, slots=True)
class Limit:
    """Where a value stops being right, in the panel's unit.

    ``warn`` lies on the good side of ``bad``. ``floor`` says that ``bad`` is reached from above:
    a hit ratio has a floor, a latency has not. ``lines`` are further values and their colours.
    ``links`` lead to where the limit comes from; every panel that draws it shows them.
    """

    bad: float
    warn: float | None = None
    floor: bool = False
    lines: Mapping[float, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()

    def config(self) -> builders.ThresholdsConfig:
        """Return the steps, from the lowest value up: a step's colour holds from its value on."""
        steps: dict[float, str] = {}
        if self.warn is not None:
            steps[self.warn] = GOOD if self.floor else WARN
        if self.floor:
            steps[self.bad] = GOOD if self.warn is None else WARN
        else:
            steps[self.bad] = BAD
        steps |= self.lines
        lowest = models.Threshold(value=None, color=BAD if self.floor else GOOD)
        return (
            builders.ThresholdsConfig()
            .mode(models.ThresholdsMode.ABSOLUTE)
            .steps(
                [lowest]
                + [models.Threshold(value=value, color=steps[value]) for value in sorted(steps)]
            )
        )


ZERO: Final = Limit(bad=1e-9)
"""Any event at all is one too many."""


@dataclass(frozen=True, slots=True)
class About:
    """What every panel must say: what it shows, what to do about it, in which unit.

    ``limit`` is drawn as a line or a colour; without one the panel has no red.
    """

    title: str
    shows: str
    act: str
    unit: str
    limit: Limit | None = None
    links: Sequence[Link] = ()

    @property
    def all_links(self) -> tuple[Link, ...]:
        """The panel's own links and those of its limit."""
        return *self.links, *(self.limit.links if self.limit else ())

    @property
    def description(self) -> str:
        """Two paragraphs of Markdown: what is shown, and what to do."""
        return f"{self.shows}\n\n{WHEN_RED if self.limit else WHEN_ODD} {self.act}"
