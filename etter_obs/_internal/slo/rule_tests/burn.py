"""Tests of the burn-rate alerts: a file for each tier of each SLO."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from etter_obs._internal.conventions import Label
from etter_obs._internal.slo.rule_tests.form import ONE, Pace, burn_check, case, document, pace_of
from etter_obs._internal.slo.rule_tests.synthetic_series import Step, input_series, noise
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.policy import Tier
from etter_obs._internal.slo.spec.reachability import threshold
from etter_obs._internal.slo.spec.selectors import own_labels


def tier_document(spec: Spec, slo: Slo, tier: Tier) -> str:
    """Return the tests of one tier of ``slo``.

    Args:
        spec: the service.
        slo: the SLO.
        tier: the tier whose alert is tested.
    """
    pace = pace_of(spec, slo, tier.long)
    if not slo.is_event_based:
        return document(spec, slo, pace, [_bad_slices(spec, slo, tier, pace)])
    tests = [_fault(spec, slo, tier, pace), _low_traffic(spec, slo, tier, pace)]
    return document(spec, slo, pace, tests)


def _fault(spec: Spec, slo: Slo, tier: Tier, pace: Pace) -> dict[str, object]:
    """No errors; then just under the threshold for a long window; a fault; just under again."""
    limit = threshold(tier, slo, spec.period)
    under, fault = limit * Decimal("0.95"), min(ONE, 2 * limit)
    over = min(limit * Decimal("1.05"), (limit + fault) / 2)
    # The long window's share grows from `under` towards `fault` as the fault fills it …
    crossing = tier.long * (limit - under) / (fault - under)
    reached = tier.long * (over - under) / (fault - under)
    # … and the short window's falls back as the fault leaves it, while the long one's stays.
    forgotten = tier.short * (fault - limit) / (fault - under)
    well = pace.up(tier.long / 2)
    begin = well + pace.up(tier.long)
    end = begin + pace.up(reached + pace.blur) + pace.evaluation
    rate = _rate(slo, under * tier.long)
    steps = [
        Step(well, rate, Decimal(0)),
        Step(begin - well, rate, under),
        Step(end - begin, rate, fault),
        Step(pace.up(2 * tier.short + pace.blur), rate, under),
    ]
    reset = end + pace.up(forgotten * Decimal("1.15") + pace.blur) + pace.evaluation
    firing = _firing(spec, slo, tier)
    checks = [
        burn_check(tier, well, []),
        burn_check(tier, begin, []),
        burn_check(tier, begin + pace.down(crossing * Decimal("0.7")), []),
        burn_check(tier, end, [firing]),
        burn_check(tier, reset, []),
    ]
    if not pace.blur:
        checks.append(burn_check(tier, end + pace.down(forgotten * Decimal("0.6")), [firing]))
    return case(
        "quiet under the threshold; fires when the long window exceeds it; ends with the short one",
        pace,
        input_series(spec, slo, steps, pace.scrape) | noise(spec, slo, steps, pace.scrape),
        checks,
    )


def _bad_slices(spec: Spec, slo: Slo, tier: Tier, pace: Pace) -> dict[str, object]:
    """As many bad slices in a row as the long window allows, then one more."""
    limit = threshold(tier, slo, spec.period)
    forgiven = (tier.long / pace.evaluation * limit).to_integral_value(ROUND_FLOOR)
    # Twice, so that a window that looks back too far is diluted and fires too late.
    begin = pace.up(2 * tier.long)
    quiet = begin + forgiven * pace.evaluation
    end = quiet + 2 * pace.evaluation
    # The short window ends the alert when it has no more bad slices than it allows.
    kept = (tier.short / pace.evaluation * limit).to_integral_value(ROUND_FLOOR)
    forgotten = end + tier.short - kept * pace.evaluation
    steps = [
        Step(begin, ONE, Decimal(0)),
        Step(end - begin, ONE, ONE),
        Step(2 * tier.short, ONE, Decimal(0)),
    ]
    firing = _firing(spec, slo, tier)
    return case(
        "quiet at the allowed number of bad slices; fires above it; ends with the short window",
        pace,
        input_series(spec, slo, steps, pace.scrape) | noise(spec, slo, steps, pace.scrape),
        [
            burn_check(tier, begin, []),
            burn_check(tier, quiet, []),
            burn_check(tier, end, [firing]),
            burn_check(tier, forgotten - 2 * pace.evaluation, [firing]),
            burn_check(tier, forgotten + pace.evaluation, []),
        ],
    )


def _low_traffic(spec: Spec, slo: Slo, tier: Tier, pace: Pace) -> dict[str, object]:
    """Every event is bad, but the window has too few of them; then it has enough.

    The first events have left the window before the second ones come. The second ones are still in
    it, but in no shorter window, when the last ones come.
    """
    events = Decimal(slo.alerting.min_bad_events)
    few, next_ = events - 1, min(ONE, events - 1)
    last = events - next_
    if spec.rule_form == "portable":  # counts less or more, so the test uses only clear cases
        few, last = events // 2, events * 2
    calm = Step(pace.evaluation * 2, Decimal(0), ONE)
    left = Step(pace.up(tier.long * Decimal("1.05")), Decimal(0), ONE)
    kept = Step(pace.up(tier.long * Decimal("0.15")), Decimal(0), ONE)
    after = Step(pace.up(2 * pace.evaluation + pace.blur), Decimal(0), ONE)
    bursts = [_burst(count, pace) for count in (few, next_, last)]
    steps = [calm, bursts[0], left, bursts[1], kept, bursts[2], after]
    ends = [sum((step.seconds for step in steps[:n]), Decimal(0)) + pace.blur for n in (2, 4, 6)]
    return case(
        f"quiet below {events} bad events within {tier.long_text}, fires at or above that",
        pace,
        input_series(spec, slo, steps, pace.scrape),
        [
            burn_check(tier, pace.up(ends[0]), []),
            burn_check(tier, pace.up(ends[1]), []),
            burn_check(tier, pace.up(ends[2]), [_firing(spec, slo, tier)]),
        ],
    )


def _burst(events: Decimal, pace: Pace) -> Step:
    return Step(pace.scrape, events / pace.scrape, ONE)


def _rate(slo: Slo, bad_seconds: Decimal) -> Decimal:
    """Return events per second that give a window many more bad events than the guard requires."""
    enough = 10 * Decimal(slo.alerting.min_bad_events) / bad_seconds
    return max(Decimal(10), enough).to_integral_value(ROUND_CEILING)


def _firing(spec: Spec, slo: Slo, tier: Tier) -> Mapping[str, str]:
    return {
        **own_labels(spec, slo),
        Label.SEVERITY: tier.severity.value,
        Label.TIER: tier.name,
        Label.TEAM: spec.team_of(slo),
    }
