"""Thirty days of synthetic history, written as blocks of the real Prometheus.

Events are invented (:mod:`demo.incidents`); every recording is computed from them with the formulas
of ``slo/rules/recording.py``, under the names and labels of those rules. A sample covers five
minutes. That is the shortest window of a rule, so any window contains exactly the events of its
time, and Prometheus's look-back, so there is always a sample. A separate series marks the time as
synthetic; a label would split the series.
"""

from __future__ import annotations

import itertools
import operator
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO, TypeAlias, cast

from demo.incidents import Events, events
from etter_obs._internal.conventions import Alert, Label, Rule
from etter_obs._internal.conventions.external import Scrape
from etter_obs._internal.slo.alerts.burn_rate import guard, slo_alerts
from etter_obs._internal.slo.rules.recording import groups
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.policy import WINDOWS
from etter_obs._internal.slo.spec.reachability import threshold, tiers_of
from etter_obs._internal.text.promql import equals, series
from etter_obs._internal.text.units import duration_text

STEP: Final = int(WINDOWS[0])
"""Seconds that one sample covers."""
_HOUR: Final = Decimal(3600)
_BLOCKS: Final = ("tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=64d")
"""One block for all samples: with blocks of two hours the import would take minutes."""

Values: TypeAlias = Sequence[float | None]
"""One value for each time, None if there is no sample."""
Series: TypeAlias = tuple[str, Mapping[str, str], Values]
"""Name, labels, values."""


def backfill(spec: Spec, end: int, file: Path, promtool: Callable[[tuple[str, ...]], None]) -> None:
    """Write a history of ``spec.period`` for Prometheus, which must not run yet.

    Args:
        spec: its SLOs get a history.
        end: the end of the history in Unix seconds, not later than now.
        file: temporary file for the samples.
        promtool: runs promtool with these arguments, followed by the file as promtool sees it and
            by the folder of Prometheus's data.

    Raises:
        OSError: the file cannot be written. Exceptions of ``promtool`` pass through.
    """
    days, started = duration_text(spec.period), time.monotonic()
    print(f"inventing {days} of history, incidents included …", flush=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as samples:
        count = write(spec, end, samples)
    promtool(_BLOCKS)
    file.unlink()
    took = time.monotonic() - started
    print(f"{count:,} samples of synthetic history are in Prometheus ({took:.0f} s)", flush=True)


def sample_times(spec: Spec, end: int) -> list[int]:
    """Return the times of the samples of the period before ``end``, in Unix seconds."""
    count = int(spec.period) // STEP
    return [end - STEP * (count - 1 - i) for i in range(count)]


def write(spec: Spec, end: int, file: TextIO) -> int:
    """Write every SLO's history up to ``end`` (Unix seconds) as OpenMetrics; return the count."""
    times = sample_times(spec, end)
    stamps = [f" {at}\n" for at in times]
    own = {Label.SERVICE: spec.service, Label.ENVIRONMENT: spec.environment}
    written = 0
    marker: Series = (Rule.SYNTHETIC, own, [1] * len(times))
    recorded = (_history(spec, slo, events(slo, times, STEP)) for slo in spec.slos)
    for name, labels, values in itertools.chain([marker], *recorded):
        head = series(name, itertools.starmap(equals, labels.items()))
        lines = [
            f"{head} {value}{stamp}"
            for value, stamp in zip(values, stamps, strict=True)
            if value is not None
        ]
        file.writelines(lines)
        written += len(lines)
    file.write("# EOF\n")
    return written


def _history(spec: Spec, slo: Slo, happened: Events) -> Iterator[Series]:
    """Yield every recording of ``slo`` under its rule's name, and the series of its alerts."""
    values = _recordings(spec, slo, happened)
    for group in groups(spec, slo):
        for rule in cast("list[dict[str, Any]]", group["rules"]):
            yield rule["record"], rule["labels"], values[rule["record"]]
    rules = {rule.name: rule for rule in slo_alerts(spec, slo)}
    for tier in tiers_of(slo, spec.period):
        rule_ = rules[Alert.burn_rate(tier.severity, tier.long_text)]
        limit = float(threshold(tier, slo, spec.period))
        enough = float(guard(spec, slo)) if slo.is_event_based else 0.0
        conditions = zip(
            _ratio(happened, tier.long),
            _ratio(happened, tier.short),
            _over(happened.bad, tier.long),
            strict=True,
        )
        labels = {
            Label.ALERTNAME: rule_.name,
            "alertstate": "firing",
            **rule_.labels,
            Label.SEVERITY: rule_.severity,
        }
        whole = int(tier.long) // STEP  # before, one error weighs as much as a fault
        firing = [
            1 if i >= whole and long > limit and short > limit and bad >= enough else None
            for i, (long, short, bad) in enumerate(conditions)
        ]
        yield Scrape.ALERTS, labels, firing


def _recordings(spec: Spec, slo: Slo, happened: Events) -> dict[str, Values]:
    """Compute the recordings of ``slo``, by name."""
    budget, period = float(slo.budget), float(spec.period)
    count = len(happened.total)
    burn = [ratio / budget for ratio in _ratio(happened, _HOUR)]
    left = [1 - ratio / budget for ratio in _ratio(happened, spec.period)]
    ratios = {
        Rule.bad_ratio(duration_text(window)): _ratio(happened, window)
        for window in (*WINDOWS, spec.period)
    }
    return {
        **ratios,
        Rule.SATURATION: _measured(slo, happened),
        Rule.TOTAL_INCREASE: happened.total,
        Rule.BAD_INCREASE: happened.bad,
        Rule.BURN_RATE: burn,
        Rule.BUDGET_REMAINING: left,
        Rule.EXHAUSTION: [
            max(share, 0.0) * period / speed if speed > 0 else None
            for share, speed in zip(left, burn, strict=True)
        ],
        Rule.OBJECTIVE: [float(slo.objective)] * count,
        Rule.PERIOD: [period] * count,
        Rule.INFO: [1] * count,
    }


def _ratio(happened: Events, window: Decimal) -> list[float]:
    """Return the bad share over ``window``; every step has an event."""
    return list(map(operator.truediv, _over(happened.bad, window), _over(happened.total, window)))


def _over(counts: Sequence[int], window: Decimal) -> list[int]:
    """Return the sum over ``window`` up to each step; it is 0 before the first one."""
    steps = int(window) // STEP
    sums = [0, *itertools.accumulate(counts)]
    return [sums[i] - sums[max(0, i - steps)] for i in range(1, len(sums))]


def _measured(slo: Slo, happened: Events) -> list[float]:
    """Return the values of a saturation SLI: over its bound if most slices were bad."""
    kind = slo.sli.saturation
    if kind is None:
        return []
    bound = float(kind.below if kind.below is not None else kind.above or 0)
    towards = 1 if kind.below is not None else -1
    return [
        bound * (1 + towards * (0.06 if 2 * bad > total else 0.6 * load - 0.7))
        for total, bad, load in zip(happened.total, happened.bad, happened.load, strict=True)
    ]
