"""Compares two stretches of time: what changed in each SLI and in latency, and how surely.

A difference counts only if its confidence interval excludes zero. The level holds for all lines
together (Bonferroni): where nothing changed, the whole comparison is silent in 95 of 100 cases.
Each line alone therefore has the level ``1 - (1 - confidence) / lines``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Final, Literal

from etter_obs._internal.conventions import Rule
from etter_obs._internal.slo.analysis.intervals import (
    MIN_BLOCKS,
    Interval,
    Share,
    Vector,
    bootstrap,
    mean_difference,
    quantile,
    share_difference,
)
from etter_obs._internal.slo.analysis.locust_run import LocustRun, LocustRunError
from etter_obs._internal.slo.analysis.report import no_recordings
from etter_obs._internal.slo.analysis.time_range import TimeRange
from etter_obs._internal.slo.kinds.base import counted_range
from etter_obs._internal.slo.prometheus.api import Prometheus
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.selectors import recorded
from etter_obs._internal.text.promql import over_time

QUANTILES: Final = (0.5, 0.95, 0.99)
MINUTE: Final = 60
SHORTEST: Final = MIN_BLOCKS * MINUTE
"""Seconds that a time range must have."""
_MOST_BLOCKS: Final = 240
_RUN_BLOCK: Final = 10
"""Seconds of a block of a locust run; locust's percentiles are those of the last ten."""

Unit = Literal["share", "seconds", "rate"]


class Verdict(StrEnum):
    """What the interval of a difference says."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no difference seen"
    UNKNOWN = "too little data"


@dataclass(frozen=True, slots=True)
class Change:
    """One line: a value before and after, and the interval of its difference (after - before).

    ``limit`` is the highest value that can be measured, where there is one.
    """

    name: str
    unit: Unit
    before: float | None
    after: float | None
    interval: Interval | None
    more_is_better: bool = False
    limit: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Better or worse only if the interval excludes zero."""
        if self.interval is None:
            return Verdict.UNKNOWN
        if self.interval.low <= 0 <= self.interval.high:
            return Verdict.SAME
        return Verdict.BETTER if (self.interval.low > 0) == self.more_is_better else Verdict.WORSE


@dataclass(frozen=True, slots=True)
class Comparison:
    """All lines. ``blocks`` are those before and after, each of ``block_seconds``."""

    title: str
    before: str
    after: str
    confidence: float
    block_seconds: int
    blocks: tuple[int, int]
    changes: Sequence[Change]

    @property
    def measured(self) -> list[Change]:
        """The lines that have an interval."""
        return [change for change in self.changes if change.interval is not None]

    def that_are(self, verdict: Verdict) -> list[Change]:
        """Return the lines with this verdict."""
        return [change for change in self.changes if change.verdict is verdict]


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both sides of a line, and what its interval follows from; the level is known only later."""

    name: str
    unit: Unit
    values: tuple[float | None, float | None]
    interval: Callable[[float], Interval] | None
    more_is_better: bool = False
    limit: float | None = None


def compare_ranges(
    spec: Spec, prometheus: Prometheus, before: TimeRange, after: TimeRange, confidence: float
) -> Comparison:
    """Compare two time ranges of a service.

    Args:
        spec: the service.
        prometheus: has its recordings and its histograms.
        before: the first time range, of SHORTEST or more.
        after: the second, likewise.
        confidence: of all lines together, such as 0.95.

    Raises:
        PrometheusError: it cannot be reached, refused a query, or knows none of the SLOs.
    """
    block = _block(max(before.seconds, after.seconds))
    ranges = (before, after)
    sides: list[_Sides] = []
    for slo in spec.slos:
        first, second = (_shares(spec, slo, prometheus, span, block) for span in ranges)
        sides.append(_share_line(slo.name, first, second))
    if not any(value is not None for line in sides for value in line.values):
        raise no_recordings(spec, prometheus)
    for name, selector in _histograms(spec).items():
        found = [_buckets(spec, selector, prometheus, span, block) for span in ranges]
        if any(blocks for _, blocks in found):
            sides += _quantile_lines(name, *found[0], *found[1])
    return _comparison(
        f"{spec.service} in {spec.environment}",
        (str(before), str(after)),
        (int(before.seconds // block), int(after.seconds // block)),
        block,
        sides,
        confidence,
    )


def compare_runs(
    before: LocustRun, after: LocustRun, names: tuple[str, str], confidence: float
) -> Comparison:
    """Compare two locust runs, each while it had most users: the ramp does not count.

    The lines are failures, throughput, and the percentiles of ten-second blocks, averaged.

    Args:
        before: the first run.
        after: the second.
        names: of both.
        confidence: of all lines together, such as 0.95.

    Raises:
        LocustRunError: a run has no history.
    """
    first, second = (
        _run_blocks(run, name) for run, name in zip((before, after), names, strict=True)
    )
    sides = [
        _share_line("failed requests", first.failures, second.failures),
        _mean_line("throughput", "rate", first.rates, second.rates, more_is_better=True),
        *(
            _mean_line(_percentile(q), "seconds", first.percentiles[q], second.percentiles[q])
            for q in QUANTILES
        ),
    ]
    blocks = (len(first.rates), len(second.rates))
    return _comparison("two load tests", names, blocks, _RUN_BLOCK, sides, confidence)


def _comparison(
    title: str,
    names: tuple[str, str],
    blocks: tuple[int, int],
    block: int,
    sides: Sequence[_Sides],
    confidence: float,
) -> Comparison:
    known = sum(line.interval is not None for line in sides)
    level = 1 - (1 - confidence) / max(known, 1)
    changes = [
        Change(
            line.name,
            line.unit,
            *line.values,
            line.interval(level) if line.interval else None,
            line.more_is_better,
            line.limit,
        )
        for line in sides
    ]
    return Comparison(title, *names, confidence, block, blocks, changes)


def _block(seconds: float) -> int:
    """Return the length of a block: whole minutes, so many that there are not too many blocks."""
    return MINUTE * max(1, math.ceil(seconds / MINUTE / _MOST_BLOCKS))


# -- from Prometheus --------------------------------------------------------------------------


def _shares(
    spec: Spec, slo: Slo, prometheus: Prometheus, span: TimeRange, block: int
) -> list[Share]:
    """Return the events of each block from the SLO's base recordings."""

    def counted(rule: str) -> dict[float, float]:
        expression = over_time("sum_over_time", recorded(rule, spec, slo), Decimal(block))
        return {
            at: value
            for series in prometheus.range(expression, span.start + block, span.end, block)
            for at, value in series.values.items()
        }

    totals, bads = counted(Rule.TOTAL_INCREASE), counted(Rule.BAD_INCREASE)
    return [Share(totals[at], bads[at]) for at in sorted(totals.keys() & bads.keys())]


def _histograms(spec: Spec) -> dict[str, str]:
    """Return the selectors of the histograms that latency SLIs read, by the name of the line."""
    found: dict[str, str] = {}
    for slo in spec.slos:
        sli = slo.sli.latency
        if sli is not None:
            name = sli.metric.removesuffix("_seconds").replace("_", " ")
            found[f"{name}{' of ' + ', '.join(sli.routes) if sli.routes else ''}"] = sli.buckets(
                spec
            )
    return found


def _buckets(
    spec: Spec, selector: str, prometheus: Prometheus, span: TimeRange, block: int
) -> tuple[Vector, list[Vector]]:
    """Return the bounds of a histogram, and the events of each block by bucket."""
    increase = f"increase({selector}{counted_range(spec, Decimal(block))})"
    below: dict[float, dict[float, float]] = {}
    for series in prometheus.range(
        f"sum by (le) ({increase})", span.start + block, span.end, block
    ):
        for at, value in series.values.items():
            below.setdefault(at, {})[float(series.labels["le"])] = value
    bounds = sorted({bound for block_ in below.values() for bound in block_})
    whole = [found for _, found in sorted(below.items()) if len(found) == len(bounds)]
    return tuple(bounds[:-1]), [_apart(found, bounds) for found in whole]


def _apart(below: dict[float, float], bounds: Iterable[float]) -> Vector:
    """Return the events of each bucket from the cumulative ones."""
    counts, seen = [], 0.0
    for bound in bounds:
        counts.append(max(below[bound] - seen, 0.0))
        seen = max(below[bound], seen)
    return tuple(counts)


# -- from a locust run ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _RunBlocks:
    failures: list[Share]
    rates: list[float]
    percentiles: dict[float, list[float]]


def _run_blocks(run: LocustRun, name: str) -> _RunBlocks:
    if not run.history:
        raise LocustRunError(
            f"{name}: the run has no history, from which the interval follows; "
            "use the prefix given to `locust --csv`"
        )
    most = max(moment.users for moment in run.history)
    full = [moment for moment in run.history if moment.users == most]
    marks = [full[0]]
    for moment in full:
        if moment.at - marks[-1].at >= _RUN_BLOCK:
            marks.append(moment)
    pairs = list(pairwise(marks))
    return _RunBlocks(
        [Share(b.requests - a.requests, b.failures - a.failures) for a, b in pairs],
        [(b.requests - a.requests) / (b.at - a.at) for a, b in pairs],
        {
            q: [float(b.percentiles[level]) for _, b in pairs if level in b.percentiles]
            for q in QUANTILES
            for level in [Decimal(str(q))]
        },
    )


# -- lines ------------------------------------------------------------------------------------


def _share_line(name: str, before: list[Share], after: list[Share]) -> _Sides:
    before, after = ([block for block in side if block.total > 0] for side in (before, after))
    enough = min(len(before), len(after)) >= MIN_BLOCKS
    return _Sides(
        name,
        "share",
        (_share(before), _share(after)),
        (lambda level: share_difference(before, after, level)) if enough else None,
    )


def _share(blocks: list[Share]) -> float | None:
    total = sum(block.total for block in blocks)
    return sum(block.bad for block in blocks) / total if total else None


def _mean_line(
    name: str, unit: Unit, before: list[float], after: list[float], *, more_is_better: bool = False
) -> _Sides:
    means = [sum(side) / len(side) if side else None for side in (before, after)]
    enough = min(len(before), len(after)) >= MIN_BLOCKS
    return _Sides(
        name,
        unit,
        (means[0], means[1]),
        (lambda level: mean_difference(before, after, level)) if enough else None,
        more_is_better,
    )


def _quantile_lines(
    name: str, bounds: Vector, before: list[Vector], other_bounds: Vector, after: list[Vector]
) -> list[_Sides]:
    """Return a line for each quantile; without an interval where the buckets are not the same."""
    before, after = ([block for block in side if sum(block)] for side in (before, after))
    enough = min(len(before), len(after)) >= MIN_BLOCKS and bounds == other_bounds

    def whole(q: float, bounds: Vector, blocks: list[Vector]) -> float | None:
        return quantile(q, bounds, _sum(blocks)) if blocks else None

    def interval(q: float) -> Callable[[float], Interval]:
        def change(first: Vector, second: Vector) -> float:
            return quantile(q, bounds, second) - quantile(q, bounds, first)

        return lambda level: bootstrap(before, after, change, level)

    return [
        _Sides(
            f"{name} {_percentile(q)}",
            "seconds",
            (whole(q, bounds, before), whole(q, other_bounds, after)),
            interval(q) if enough else None,
            limit=max(bounds + other_bounds, default=None),
        )
        for q in QUANTILES
    ]


def _sum(blocks: Sequence[Vector]) -> Vector:
    return tuple(map(sum, zip(*blocks, strict=True)))


def _percentile(q: float) -> str:
    return f"p{q * 100:g}"
