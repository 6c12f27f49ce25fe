"""What was measured, as it is kept in ``impact/results.json``."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, TypedDict

FILE: Final = Path(__file__).parent / "results.json"

Block = tuple[float, float]
"""The two sums of a figure in one block."""


class Run(TypedDict):
    """When an experiment began (UTC), how long it took, and its name."""

    at: str
    minutes: float
    experiment: str


@dataclass(slots=True)
class Results:
    """The blocks of each figure, and the users of each capacity, by side and phase.

    ``machine`` and ``versions`` say what it was measured on.
    """

    machine: str
    versions: str
    runs: list[Run] = field(default_factory=list)
    figures: dict[str, dict[str, list[list[Block]]]] = field(default_factory=dict)
    capacities: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    def missing(self, names: Collection[str]) -> list[str]:
        """Return which of the experiments have not been measured."""
        measured = {run["experiment"] for run in self.runs}
        return [name for name in names if name not in measured]

    def replaced_by(self, newer: Results) -> Results:
        """Return these results with newer ones in place of those of the same experiments."""
        again = {run["experiment"] for run in newer.runs}
        kept = [run for run in self.runs if run["experiment"] not in again]
        return Results(
            newer.machine,
            newer.versions,
            [*kept, *newer.runs],
            {**self.figures, **newer.figures},
            {**self.capacities, **newer.capacities},
        )

    def save(self, path: Path = FILE) -> None:
        """Write them as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path = FILE) -> Results:
        """Read what ``save`` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))
