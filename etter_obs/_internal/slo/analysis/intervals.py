"""Confidence intervals for the difference between two stretches of telemetry.

Events of one minute are alike: a fault fails hundreds of requests at once, and a slow minute is
followed by another. Intervals that take events for independent are far too narrow. All functions
here therefore work on blocks (a minute, for example) and estimate from them how much the events
depend on each other, within a block and across neighbouring blocks.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, repeat
from operator import add
from statistics import NormalDist, fmean, variance
from typing import Final, NamedTuple

MIN_BLOCKS: Final = 6
"""Fewest blocks of a side from which a variance is estimated."""
RESAMPLES: Final = 4000
_NORMAL: Final = NormalDist()

Vector = tuple[float, ...]
"""What one block counted: for example the events of each bucket of a histogram."""


class Interval(NamedTuple):
    """Bounds of a difference, after minus before."""

    low: float
    high: float


class Share(NamedTuple):
    """The events of one block, and the bad ones of them."""

    total: float
    bad: float


def share_difference(before: Sequence[Share], after: Sequence[Share], level: float) -> Interval:
    """Return the interval of the difference between two shares of bad events.

    Newcombe's hybrid score interval, built from the Wilson interval of each share (R. G. Newcombe,
    Statistics in Medicine 17 (1998), method 10). It has its level for rare events and for none at
    all. Wilson's n is the effective sample size: the events divided by the design effect, with
    Student's t for the normal quantile (E. L. Korn and B. I. Graubard, Survey Methodology 24
    (1998)). Both sides use the larger design effect, because a side without bad events shows none.

    Args:
        before: the blocks of the first stretch, in their order; at least one has an event.
        after: those of the second.
        level: coverage, such as 0.95.
    """
    effect = max(design_effect(before), design_effect(after))
    p, below, above = _wilson(before, effect, level)
    q, lower, upper = _wilson(after, effect, level)
    return Interval(
        q - p - math.hypot(q - lower, above - p), q - p + math.hypot(upper - q, p - below)
    )


def design_effect(blocks: Sequence[Share]) -> float:
    """Return by how much dependence inflates the variance of a share of bad events; at least 1.

    The variance of the ratio of two sums is that of the residuals ``bad - share * total`` of the
    blocks (W. G. Cochran, Sampling Techniques, 3rd ed., section 2.11), with the weights of Newey
    and West (Econometrica 55 (1987)) for the covariance of neighbours.
    """
    total = sum(block.total for block in blocks)
    share = sum(block.bad for block in blocks) / total
    independent = share * (1 - share) / total
    if independent <= 0:
        return 1.0
    residuals = [block.bad - share * block.total for block in blocks]
    count, lags = len(blocks), dependent_neighbours(len(blocks))
    sums = sum(r * r for r in residuals)
    for lag in range(1, lags + 1):
        products = map(float.__mul__, residuals[lag:], residuals[:-lag])
        sums += 2 * (1 - lag / (lags + 1)) * sum(products)
    return max(1.0, sums * count / (count - 1) / total**2 / independent)


def dependent_neighbours(count: int) -> int:
    """Return how many following blocks a block is taken to depend on, for ``count`` blocks.

    The usual bandwidth, ``4 (n / 100)^(2/9)`` (W. K. Newey and K. D. West, Review of Economic
    Studies 61 (1994)), but never more than a tenth of the blocks, which few blocks cannot spare.
    """
    return min(int(4 * (count / 100) ** (2 / 9)), count // 10)


def mean_difference(before: Sequence[float], after: Sequence[float], level: float) -> Interval:
    """Return Welch's interval of the difference between two means (Biometrika 34 (1947)).

    Args:
        before: one value for each block of the first stretch, at least two.
        after: those of the second.
        level: coverage, such as 0.95.
    """
    a, b = variance(before) / len(before), variance(after) / len(after)
    difference = fmean(after) - fmean(before)
    if a + b == 0:
        return Interval(difference, difference)
    freedom = (a + b) ** 2 / (a**2 / (len(before) - 1) + b**2 / (len(after) - 1))
    margin = t_quantile(0.5 + level / 2, freedom) * math.sqrt(a + b)
    return Interval(difference - margin, difference + margin)


def bootstrap(
    before: Sequence[Vector],
    after: Sequence[Vector],
    statistic: Callable[[Vector, Vector], float],
    level: float,
    *,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the interval of a statistic of two stretches, by resampling their blocks.

    The circular block bootstrap (D. N. Politis and J. P. Romano, 1992) draws runs of neighbouring
    blocks, which keeps their dependence. The percentiles are expanded for few blocks (T. C.
    Hesterberg, The American Statistician 69 (2015), section 5.3), where each run has used up one
    block for each of its neighbours. The generator has a fixed seed, so that the same data has the
    same interval.

    Args:
        before: what each block of the first stretch counted, in their order.
        after: the same for the second.
        statistic: takes the sums of both stretches, such as the difference of two quantiles.
        level: coverage, such as 0.95.
        resamples: number of drawn pairs.
    """
    draw = random.Random(1)  # noqa: S311  # no secret
    pairs = zip(
        _resampled(before, draw, resamples), _resampled(after, draw, resamples), strict=True
    )
    found = sorted(statistic(first, second) for first, second in pairs)
    count = min(len(before), len(after))
    freedom = count - dependent_neighbours(count) - 1
    t = t_quantile(0.5 + level / 2, freedom)
    tail = _NORMAL.cdf(-t * math.sqrt(count / freedom))
    cut = min(int(tail * resamples), (resamples - 1) // 2)
    return Interval(found[cut], found[-1 - cut])


def quantile(q: float, bounds: Vector, counts: Vector) -> float:
    """Return a quantile of a histogram, interpolated as Prometheus's ``histogram_quantile`` does.

    In the last bucket, which has no upper bound, it is the highest bound.

    Args:
        q: from 0 to 1.
        bounds: the finite upper bounds of the buckets, ascending and above 0.
        counts: the events of each bucket, not cumulative; one more than bounds, and not all 0.
    """
    rank, seen, lower = q * sum(counts), 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=False):
        if count and seen + count >= rank:
            return lower + (bound - lower) * (rank - seen) / count
        seen += count
        lower = bound
    return lower


def t_quantile(probability: float, freedom: float) -> float:
    """Return a quantile of Student's t (M. Abramowitz and I. A. Stegun, formula 26.7.5).

    Within 2 % of the exact value from five degrees of freedom on, up to a probability of 0.9995.
    """
    z = _NORMAL.inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    powers = accumulate(repeat(1 / freedom, len(terms)), float.__mul__)
    return z + sum(map(float.__mul__, terms, powers))


def _wilson(blocks: Sequence[Share], effect: float, level: float) -> tuple[float, float, float]:
    """Return a share with the bounds of its Wilson interval."""
    total = sum(block.total for block in blocks)
    share = sum(block.bad for block in blocks) / total
    squared = t_quantile(0.5 + level / 2, len(blocks) - 1) ** 2 * effect / total
    middle = (share + squared / 2) / (1 + squared)
    half = math.sqrt(squared * share * (1 - share) + squared**2 / 4) / (1 + squared)
    return share, middle - half, middle + half


def _resampled(blocks: Sequence[Vector], draw: random.Random, times: int) -> Iterator[Vector]:
    """Yield the sums of ``times`` stretches of runs drawn from ``blocks``."""
    count, length = len(blocks), dependent_neighbours(len(blocks)) + 1
    runs = list(blocks)
    for shift in range(1, length):
        runs = [
            tuple(map(add, run, blocks[(start + shift) % count])) for start, run in enumerate(runs)
        ]
    needed = math.ceil(count / length)
    for _ in range(times):
        yield tuple(map(sum, zip(*draw.choices(runs, k=needed), strict=True)))
