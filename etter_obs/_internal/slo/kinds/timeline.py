"""A timeline of events and its series in promtool's notation, as exact decimals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from etter_obs._internal.text.units import decimal_text

Share = Literal["bad", "good", "all", "none"]
"""Which of the events a series counts."""

Series = dict[str, str]
"""Selector → values, one per ``step_seconds`` from 0 on."""


@dataclass(frozen=True, slots=True)
class Step:
    """A span of time: its length in seconds, events per second, the share of bad events.

    For a saturation SLI, ``rate`` has no meaning and ``bad`` is the share of bad slices.
    """

    seconds: Decimal
    rate: Decimal
    bad: Decimal

    def samples(self, step_seconds: Decimal) -> int:
        """Return the number of samples that cover the step, at least 1."""
        return max(1, int((self.seconds / step_seconds).to_integral_value(ROUND_CEILING)))


def counter(steps: Sequence[Step], step_seconds: Decimal, share: Share) -> str:
    """Return the values of a counter of all, good or bad events.

    Args:
        steps: the timeline of events.
        step_seconds: seconds between two samples.
        share: which events count.
    """
    value, parts = Decimal(0), ["0"]
    for step in steps:
        part = {"all": Decimal(1), "good": 1 - step.bad, "bad": step.bad}.get(share, Decimal(0))
        each = _addable(step.rate * step_seconds * part)
        count = step.samples(step_seconds)
        parts.append(ramp(value, each, count))
        value += each * count
    return " ".join(parts)


def ramp(value: Decimal, each: Decimal, count: int) -> str:
    """Return ``count`` samples that rise by ``each`` from ``value`` on.

    Args:
        value: before the first sample.
        each: the increase per sample.
        count: number of samples.
    """
    return f"{decimal_text(value + each)}+{decimal_text(each)}x{count - 1}"


def gauge(runs: Sequence[tuple[Decimal, int]]) -> str:
    """Return the values of a gauge; each run is a value and its number of samples."""
    first = decimal_text(runs[0][0])
    return " ".join([first, *(f"{decimal_text(value)}x{count - 1}" for value, count in runs)])


def integral(runs: Sequence[tuple[Decimal, int]], seconds: Decimal) -> str:
    """Return the values of a counter whose rate is the value of each run."""
    value, parts = Decimal(0), ["0"]
    for rate, count in runs:
        each = _addable(rate * seconds)
        parts.append(ramp(value, each, count))
        value += each * count
    return " ".join(parts)


def slices(
    steps: Sequence[Step], seconds: Decimal, slice_: Decimal, good: Decimal, bad: Decimal
) -> Iterator[tuple[Decimal, int]]:
    """Yield values with their number of samples; bad slices are spread evenly over a step.

    Args:
        steps: the timeline; ``bad`` is the share of bad slices.
        seconds: between two samples.
        slice_: length of a slice in seconds.
        good: value of a good slice.
        bad: value of a bad slice.
    """
    per_slice = max(1, int(slice_ / seconds))
    for step in steps:
        count = max(1, step.samples(seconds) // per_slice)
        if step.bad in (0, 1):
            yield (bad if step.bad else good), count * per_slice
            continue
        worse = [int((i + 1) * step.bad) > int(i * step.bad) for i in range(count)]
        start = 0
        for index in range(1, count + 1):
            if index == count or worse[index] != worse[start]:
                yield (bad if worse[start] else good), (index - start) * per_slice
                start = index


def _addable(value: Decimal) -> Decimal:
    """Round to a multiple of 2^-16: promtool adds floats, and a rounding error is a reset."""
    return (value * 65536).to_integral_value() / 65536
