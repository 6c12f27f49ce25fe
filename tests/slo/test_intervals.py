"""The intervals behind ``slo compare`` have their level on data whose truth is known."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etter_obs._internal.slo.analysis.intervals import (
    Interval,
    Share,
    bootstrap,
    mean_difference,
    quantile,
    share_difference,
    t_quantile,
)

LEVEL = 0.95
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5)


def shares(draw: np.random.Generator, share: float, spread: float, blocks: int) -> list[Share]:
    """Return minutes of about 300 requests whose share of failures wanders around ``share``.

    The wandering has a memory: each minute keeps half of the last one's deviation.
    """
    found, deviation = [], 0.0
    for _ in range(blocks):
        deviation = 0.5 * deviation + draw.normal(0, np.sqrt(1 - 0.5**2))
        p = min(share * float(np.exp(spread * deviation - spread**2 / 2)), 1.0)
        total = int(draw.poisson(300))
        found.append(Share(total, int(draw.binomial(total, p))))
    return found


def histograms(draw: np.random.Generator, blocks: int, scale: float) -> list[tuple[float, ...]]:
    """Return minutes of about 200 durations, log-normal, some minutes slower than others."""
    found = []
    for _ in range(blocks):
        median = 0.06 * scale * np.exp(draw.normal(0, 0.2))
        times = draw.lognormal(np.log(median), 0.6, int(draw.poisson(200)))
        counts = np.bincount(np.searchsorted(BOUNDS, times), minlength=len(BOUNDS) + 1)
        found.append(tuple(map(float, counts)))
    return found


def expected(scale: float) -> tuple[float, ...]:
    """Return the share of durations in each bucket: the minutes' medians only widen the law."""
    law = NormalDist(math.log(0.06 * scale), math.hypot(0.6, 0.2))
    below = [0.0, *(law.cdf(math.log(bound)) for bound in BOUNDS), 1.0]
    return tuple(high - low for low, high in pairwise(below))


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1])
@pytest.mark.parametrize("spread", [0.0, 0.8])
def test_the_interval_of_two_shares_covers_the_truth(share: float, spread: float) -> None:
    """At 95 %, at least 92 of 100 intervals contain the difference, dispersed or not."""
    draw = np.random.default_rng(7)
    times, after = 250, share * 1.5
    covered = 0
    for _ in range(times):
        low, high = share_difference(
            shares(draw, share, spread, 40), shares(draw, after, spread, 60), LEVEL
        )
        covered += low <= after - share <= high
    assert covered / times >= 0.92


def test_independent_events_would_not_cover_dispersed_ones() -> None:
    """The same data without its blocks has a far too narrow interval: the blocks matter."""
    draw = np.random.default_rng(7)
    times, covered = 200, 0
    for _ in range(times):
        first, second = (shuffled_away(shares(draw, 0.1, 0.8, 40)) for _ in range(2))
        low, high = share_difference(first, second, LEVEL)
        covered += low <= 0 <= high
    assert covered / times < 0.7


def shuffled_away(blocks: list[Share]) -> list[Share]:
    """Return as many blocks with the same share each: nothing of the dispersion is left."""
    total = sum(block.total for block in blocks) / len(blocks)
    bad = sum(block.bad for block in blocks) / len(blocks)
    return [Share(total, bad)] * len(blocks)


def test_the_bootstrapped_interval_of_a_quantile_covers_the_truth() -> None:
    """At 95 %, at least 90 of 100 intervals contain the true change of p50 and of p95."""
    whole = (expected(1.0), expected(1.2))
    draw = np.random.default_rng(11)
    times, covered = 100, {0.5: 0, 0.95: 0}
    for _ in range(times):
        before, after = histograms(draw, 30, 1.0), histograms(draw, 40, 1.2)
        for q in covered:

            def change(a: tuple[float, ...], b: tuple[float, ...], q: float = q) -> float:
                return quantile(q, BOUNDS, b) - quantile(q, BOUNDS, a)

            low, high = bootstrap(before, after, change, LEVEL, resamples=300)
            covered[q] += low <= change(*whole) <= high
    assert min(covered.values()) / times >= 0.9


def test_welch_covers_the_truth() -> None:
    """At 95 %, at least 93 of 100 intervals contain the difference of the means."""
    draw = np.random.default_rng(5)
    times, covered = 1000, 0
    for _ in range(times):
        before, after = draw.normal(10, 1, 8), draw.normal(12, 4, 20)
        low, high = mean_difference(before.tolist(), after.tolist(), LEVEL)
        covered += low <= 2 <= high
    assert covered / times >= 0.93


@pytest.mark.parametrize(
    ("probability", "freedom", "exact"),
    [(0.975, 5, 2.5706), (0.975, 30, 2.0423), (0.9995, 5, 6.8688), (0.9995, 60, 3.4602)],
)
def test_students_t_has_the_values_of_the_tables(
    probability: float, freedom: float, exact: float
) -> None:
    """The expansion is within two per cent of the printed tables."""
    assert t_quantile(probability, freedom) == pytest.approx(exact, rel=0.02)


blocks_of_events = st.lists(
    st.tuples(st.integers(1, 500), st.integers(0, 500)).map(lambda b: Share(b[0], min(b))),
    min_size=6,
    max_size=40,
)


@given(blocks_of_events, blocks_of_events)
def test_an_interval_of_shares_holds_its_estimate_and_stays_a_difference(
    before: list[Share], after: list[Share]
) -> None:
    """It contains the observed difference, lies within -1 and 1, and swaps with its sides."""

    def share(blocks: list[Share]) -> float:
        return sum(b.bad for b in blocks) / sum(b.total for b in blocks)

    low, high = share_difference(before, after, LEVEL)
    assert -1 - 1e-9 <= low <= share(after) - share(before) + 1e-9
    assert share(after) - share(before) - 1e-9 <= high <= 1 + 1e-9
    assert share_difference(after, before, LEVEL) == pytest.approx(Interval(-high, -low))


@given(
    st.floats(0.01, 0.99),
    st.lists(st.integers(0, 1000), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1).filter(any),
)
def test_a_quantile_is_in_the_bucket_that_holds_its_rank(q: float, counts: list[int]) -> None:
    """As many events as its rank lie in its bucket and below."""
    value = quantile(q, BOUNDS, tuple(map(float, counts)))
    bucket = int(np.searchsorted(BOUNDS, value))
    assert sum(counts[: bucket + 1]) >= q * sum(counts) - 1e-6 or value == BOUNDS[-1]
    assert sum(counts[:bucket]) <= q * sum(counts) + 1e-6
