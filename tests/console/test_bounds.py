"""The console's memory is bounded, whatever passes through it."""

from __future__ import annotations

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from etter_obs._internal.console.readings import Distribution
from etter_obs._internal.console.ring import Ring


@given(st.lists(st.binary(max_size=300)), st.integers(1, 20), st.integers(200, 2_000))
def test_a_ring_keeps_the_newest_within_both_limits(
    items: list[bytes], most: int, size: int
) -> None:
    """It holds the newest items, never more of them or of their bytes than allowed."""
    ring = Ring(most, size)
    for number, item in enumerate(items):
        ring.add(float(number + 1), number, item)
    kept = [item for _, _, item in ring.after(0)]
    assert ring.seen == len(items)
    assert len(kept) <= most
    assert sum(map(len, kept)) <= size
    assert kept == items[len(items) - len(kept) :]
    if len(kept) < len(items) and len(kept) < most:  # bytes were the limit
        assert sum(len(item) + 120 for item in items[len(items) - len(kept) - 1 :]) > size


@given(st.lists(st.floats(0, 0.99), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_in_the_bucket_of_the_value_at_its_rank(
    values: list[float], share: float
) -> None:
    """As with histogram_quantile, the estimate is at most one bucket away from the true value."""
    bounds = [number / 10 for number in range(1, 11)]
    counts = [0.0] * 11
    for value in values:
        counts[next(i for i, bound in enumerate(bounds) if value <= bound)] += 1
    found = Distribution(bounds, counts, sum(values)).quantile(share)
    true = sorted(values)[max(0, ceil(share * len(values) - 1e-9) - 1)]
    assert abs(found - true) <= 0.1 + 1e-9
