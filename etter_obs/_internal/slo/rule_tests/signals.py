"""Tests of an SLO's recordings, and of its alerts for missing data, traffic and buckets."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from etter_obs._internal.conventions import Alert, Label, Rule
from etter_obs._internal.slo.rule_tests.form import (
    HOUR,
    ONE,
    Pace,
    alert_check,
    burn_check,
    case,
    document,
    expression,
    matchers,
    pace_of,
)
from etter_obs._internal.slo.rule_tests.synthetic_series import (
    Step,
    input_series,
    is_recorded,
    noise,
    without,
)
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.policy import SCRAPE_INTERVAL, Severity
from etter_obs._internal.slo.spec.reachability import tiers_of
from etter_obs._internal.slo.spec.selectors import own_labels, recorded
from etter_obs._internal.text.promql import series
from etter_obs._internal.text.units import decimal_text, duration_text, percent_text


def slo_document(spec: Spec, slo: Slo) -> str:
    """Return the tests of ``slo`` that belong to no single tier."""
    pace = pace_of(spec, slo, HOUR)
    tests = [_recordings(spec, slo, pace), _no_data(spec, slo, pace)]
    if slo.is_event_based:
        tests += [_no_traffic(spec, slo, pace)]
        if not is_recorded(spec, slo):
            tests += [_no_bad_series(spec, slo, pace), _nothing_yet(spec, slo, pace)]
        tests.append(_overspent(spec, slo, pace))
    if slo.sli.kind.expressions(spec, slo).histogram is not None:
        tests.append(_missing_bucket(spec, slo, pace))
    return document(spec, slo, pace, tests)


def _recordings(spec: Spec, slo: Slo, pace: Pace) -> dict[str, object]:
    """A quarter of the budget's share is bad, or one slice is: what follows is known."""
    # Slices for so long that one more or less, at the start, makes no odds.
    length = 2 * HOUR if slo.is_event_based else 12 * HOUR
    if slo.is_event_based:
        recent = whole = before = slo.budget / 4
        steps = [Step(length, _rate(whole, pace), whole)]
    else:
        # Scraped as in life, so that one bad slice is one; and early enough that the time to go,
        # which is made from the budget of an evaluation before, knows of it.
        pace = Pace(SCRAPE_INTERVAL, pace.evaluation, pace.blur)
        calm = 2 * pace.evaluation
        steps = [
            Step(length - calm - pace.evaluation, ONE, Decimal(0)),
            Step(pace.evaluation, ONE, ONE),
            Step(calm, ONE, Decimal(0)),
        ]
        seen = length / pace.evaluation
        recent, whole, before = pace.evaluation / HOUR, 1 / (seen + 1), 1 / seen
    burn, left = recent / slo.budget, 1 - whole / slo.budget
    to_go = max(1 - before / slo.budget, Decimal(0)) * spec.period / burn
    series_ = input_series(spec, slo, steps, pace.scrape) | noise(spec, slo, steps, pace.scrape)
    labels = own_labels(spec, slo)

    def about(rule: str, value: Decimal) -> dict[str, object]:
        found = recorded(rule, spec, slo)
        margin = max(abs(value) / 50, Decimal("0.0001"))
        low, high = (decimal_text(round(edge, 6)) for edge in (value - margin, value + margin))
        expr = f"({found} > bool {low}) * ({found} < bool {high})"
        return expression(expr, length, [(series("", matchers(labels)), ONE)])

    def exactly(rule: str, value: Decimal, more: Mapping[str, str]) -> dict[str, object]:
        known = series(rule, matchers({**labels, **more}))
        return expression(recorded(rule, spec, slo), length, [(known, value)])

    info = {
        "objective": percent_text(slo.objective),
        "period": duration_text(spec.period),
        "sli": slo.sli.name,
        "alerting": slo.alerting.mode,
        "team": spec.team_of(slo),
        "description": slo.description,
    }
    return {
        **case(
            "records the burn rate, the budget, the time left and the SLO's labels",
            pace,
            series_,
            [],
        ),
        "promql_expr_test": [
            exactly(Rule.OBJECTIVE, slo.objective, {}),
            exactly(Rule.PERIOD, spec.period, {}),
            exactly(Rule.INFO, ONE, info),
            about(Rule.BURN_RATE, burn),
            about(Rule.BUDGET_REMAINING, left),
            about(Rule.EXHAUSTION, to_go),
        ],
    }


def _rate(share: Decimal, pace: Pace) -> Decimal:
    """Return events per second that bring a bad one with each scrape, however small its share.

    A counter goes up in steps of 2^-16: next to a whole event that is nothing.
    """
    return max(Decimal(10), 1 / (share * pace.scrape)).to_integral_value(ROUND_CEILING)


def _no_data(spec: Spec, slo: Slo, pace: Pace) -> dict[str, object]:
    """No data at first, then data; no burn-rate alert fires without data."""
    labels = {**_slo_labels(spec, slo), Label.SEVERITY: Severity.TICKET.value}
    silence, then = Decimal(1200), Decimal(1200)
    series_ = {
        selector: f"_x{int(silence / pace.scrape)} {values}"
        for selector, values in input_series(
            spec, slo, [Step(then, Decimal(10), Decimal(0))], pace.scrape
        ).items()
    }
    return case(
        "the alert on missing data fires only while data is missing",
        pace,
        series_,
        [
            alert_check(Alert.SLO_NO_DATA, Decimal(300), []),
            alert_check(Alert.SLO_NO_DATA, Decimal(900), [labels]),
            alert_check(Alert.SLO_NO_DATA, silence + then - 60, []),
            *_no_burn(spec, slo, Decimal(900)),
        ],
    )


def _no_traffic(spec: Spec, slo: Slo, pace: Pace) -> dict[str, object]:
    """Series that do not grow: no burn, no missing data; the alert on traffic fires in the end."""
    labels = {**_slo_labels(spec, slo), Label.SEVERITY: Severity.TICKET.value}
    quiet = spec.no_traffic_after
    slow = pace_of(spec, slo, quiet)
    started = slow.up(quiet / 2)
    steps = [
        Step(started, Decimal(0), Decimal(0)),
        Step(slow.up(quiet), Decimal(10), Decimal(0)),
        Step(slow.up(quiet * 2), Decimal(0), Decimal(0)),
    ]
    begin = started + steps[1].seconds
    return case(
        f"the alert on missing traffic fires after {duration_text(quiet)} without an event",
        slow,
        input_series(spec, slo, steps, slow.scrape),
        [
            # Nothing yet, but for less than the window: it has only just been started.
            alert_check(Alert.SLO_NO_TRAFFIC, started, []),
            alert_check(Alert.SLO_NO_TRAFFIC, begin, []),
            alert_check(Alert.SLO_NO_TRAFFIC, slow.down(begin + quiet * Decimal("0.9")), []),
            alert_check(
                Alert.SLO_NO_TRAFFIC,
                slow.up(begin + quiet * Decimal("1.05") + slow.blur) + slow.evaluation,
                [labels],
            ),
            alert_check(Alert.SLO_NO_DATA, begin + quiet, []),
            *_no_burn(spec, slo, begin + quiet),
        ],
    )


def _no_bad_series(spec: Spec, slo: Slo, pace: Pace) -> dict[str, object]:
    """A service that has never failed has a share of 0, not none."""
    length = Decimal(1200)
    all_series = input_series(spec, slo, [Step(length, Decimal(10), Decimal(0))], pace.scrape)
    kept = without(all_series, *slo.sli.kind.bad_series_marks())
    expr = recorded(Rule.bad_ratio("5m"), spec, slo)
    name = series(Rule.bad_ratio("5m"), matchers(own_labels(spec, slo)))
    return {
        **case("the share of bad events is 0 before the first bad event", pace, kept, []),
        "promql_expr_test": [
            expression(expr, length, [(name, Decimal(0))]),
            # Nothing burns, so the budget never runs out.
            expression(recorded(Rule.EXHAUSTION, spec, slo), length, []),
        ],
    }


def _nothing_yet(spec: Spec, slo: Slo, pace: Pace) -> dict[str, object]:
    """Without any event there is no share of bad or good events."""
    length = Decimal(1200)
    standing = input_series(spec, slo, [Step(length, Decimal(0), Decimal(0))], pace.scrape)
    shares = recorded("", spec, slo).replace("{", '{__name__=~"slo:bad:ratio_.+",', 1)
    return {
        **case("there is no share of bad events before the first event", pace, standing, []),
        "promql_expr_test": [
            expression(shares, length, []),
            expression(
                recorded(Rule.TOTAL_INCREASE, spec, slo),
                length,
                [(series(Rule.TOTAL_INCREASE, matchers(own_labels(spec, slo))), Decimal(0))],
            ),
        ],
    }


def _overspent(spec: Spec, slo: Slo, pace: Pace) -> dict[str, object]:
    """When more than the budget is spent, the time left is 0, not negative."""
    length = Decimal(1200)
    steps = [Step(length, Decimal(10), min(ONE, slo.budget * 2))]
    known = series("", matchers(own_labels(spec, slo)))
    to_go = f"{recorded(Rule.EXHAUSTION, spec, slo)} + 0"
    return {
        **case(
            "the time left is 0 once the budget is spent",
            pace,
            input_series(spec, slo, steps, pace.scrape),
            [],
        ),
        "promql_expr_test": [
            expression(to_go, length, [(known, Decimal(0))]),
            expression(
                f"{recorded(Rule.BUDGET_REMAINING, spec, slo)} < bool 0",
                length,
                [(known, ONE)],
            ),
        ],
    }


def _missing_bucket(spec: Spec, slo: Slo, pace: Pace) -> dict[str, object]:
    """One of two instances lacks the bucket, then it is replaced."""
    labels = {**_slo_labels(spec, slo), Label.SEVERITY: Severity.TICKET.value}
    length = Decimal(1800)
    whole = input_series(spec, slo, [Step(2 * length, Decimal(10), Decimal(0))], pace.scrape)
    first = [Step(length, Decimal(10), Decimal(0))]
    lacking = {
        selector: values
        for selector, values in input_series(spec, slo, first, pace.scrape).items()
        if "_bucket" not in selector or 'le="+Inf"' in selector
    }
    # A bucket of what does not count is none, and of what does not count no bucket is missed.
    second = {
        selector.replace('instance="a"', 'instance="b"'): f"{values} stale"
        for selector, values in (lacking | noise(spec, slo, first, pace.scrape)).items()
    }
    steps = [Step(2 * length, ONE, Decimal(0))]
    uncounted = {
        selector.replace('instance="a"', 'instance="c"'): values
        for selector, values in without(noise(spec, slo, steps, pace.scrape), "_bucket").items()
    }
    return case(
        "the alert on a missing bucket fires only while an instance lacks it",
        pace,
        whole | second | uncounted,
        [
            alert_check(Alert.SLO_MISSING_BUCKET, Decimal(300), []),
            alert_check(Alert.SLO_MISSING_BUCKET, Decimal(900), [labels]),
            alert_check(Alert.SLO_MISSING_BUCKET, 2 * length, []),
        ],
    )


def _slo_labels(spec: Spec, slo: Slo) -> dict[str, str]:
    return {**own_labels(spec, slo), Label.TEAM: spec.team_of(slo)}


def _no_burn(spec: Spec, slo: Slo, at: Decimal) -> list[dict[str, object]]:
    return [burn_check(tier, at, []) for tier in tiers_of(slo, spec.period)]
