"""From blocks to a figure with its interval, and to a verdict on the guide's promise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final

from etter_obs._internal.slo.analysis.intervals import Interval, Vector, bootstrap
from impact.claims import Claim, Kind
from impact.results import Block, Results

LEVEL: Final = 0.95
_OFF, _ON = "off", "on"

COMBINED: Final[dict[Kind, Callable[[float, float], float]]] = {
    "less": lambda off, on: 1 - on / off,
    "more": lambda off, on: on / off - 1,
    "times_less": lambda off, on: off / on,
    "times_more": lambda off, on: on / off,
    "level": lambda _, on: on,
    "ratio": lambda off, on: on / off,
}
NEUTRAL: Final[dict[Kind, float | None]] = {
    "less": 0.0,
    "more": 0.0,
    "times_less": 1.0,
    "times_more": 1.0,
    "level": None,
    "ratio": 1.0,
}
"""What the number is where nothing changed."""


class Outcome(StrEnum):
    """What a figure says about the promise."""

    REPRODUCED = "reproduced"
    MORE = "more than promised"
    LESS = "less than promised"
    NOTHING = "no difference seen"
    OPPOSITE = "the opposite"
    NOT_KEPT = "not reproduced"
    UNMEASURABLE = "cannot be measured"
    NO_CLAIM = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The number of a claim, its interval, that of each round, and both sides behind it."""

    value: float
    interval: Interval
    rounds: Sequence[float]
    off: float
    on: float


def estimate(claim: Claim, results: Results) -> Estimate | None:
    """Return what the run measured for a claim; None if it is not measured.

    The interval of a figure is a block bootstrap over all blocks of both rounds. A capacity has one
    number for each phase; its interval is the range of all pairs of phases.
    """
    if claim.figure is None:
        return None
    if claim.figure in results.capacities:
        return _of_capacity(claim.kind, results.capacities[claim.figure])
    return _of_figure(claim.kind, results.figures[claim.figure])


def outcome(claim: Claim, made: Estimate | None) -> Outcome:
    """Return what the estimate says about the promise."""
    if made is None:
        return Outcome.UNMEASURABLE
    if claim.promised is None:
        return Outcome.NO_CLAIM
    least, most = claim.promised
    low, high = made.interval
    if low <= most and high >= least:
        return Outcome.REPRODUCED
    if claim.kind == "ratio":
        return Outcome.NOT_KEPT
    if low > most:
        return Outcome.MORE
    neutral = NEUTRAL[claim.kind]
    if neutral is None or low > neutral:
        return Outcome.LESS
    return Outcome.NOTHING if high >= neutral else Outcome.OPPOSITE


def _of_figure(kind: Kind, sides: dict[str, list[list[Block]]]) -> Estimate:
    combine = COMBINED[kind]
    off, on = ([(b[0], b[1]) for phase in sides[side] for b in phase] for side in (_OFF, _ON))

    def statistic(first: Vector, second: Vector) -> float:
        return combine(_share(first), _share(second))

    rounds = [
        combine(_quotient(first), _quotient(second))
        for first, second in zip(sides[_OFF], sides[_ON], strict=True)
    ]
    return Estimate(
        combine(_quotient(off), _quotient(on)),
        bootstrap(off, on, statistic, LEVEL),
        rounds,
        _quotient(off),
        _quotient(on),
    )


def _of_capacity(kind: Kind, sides: dict[str, list[int]]) -> Estimate:
    combine = COMBINED[kind]
    pairs = [combine(off, on) for off, on in product(sides[_OFF], sides[_ON])]
    off, on = (sum(sides[side]) / len(sides[side]) for side in (_OFF, _ON))
    rounds = [combine(a, b) for a, b in zip(sides[_OFF], sides[_ON], strict=True)]
    return Estimate(combine(off, on), Interval(min(pairs), max(pairs)), rounds, off, on)


def _quotient(blocks: Sequence[Block]) -> float:
    return _share((sum(over for over, _ in blocks), sum(under for _, under in blocks)))


def _share(sums: Vector) -> float:
    """Return the quotient; not a number where nothing happened: no look-ups without a cache."""
    over, under = sums
    return over / under if under else math.nan
