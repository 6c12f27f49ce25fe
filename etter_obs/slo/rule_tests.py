"""Generated tests of the generated rules, for ``promtool test rules``.

Every number of a timeline follows from the tier, so the tests prove the policy, not the text of
the rule: a fault must be told once the long window holds enough of it, not before; the alert must
end when the short window has forgotten, not before; just under the threshold, and with one bad
event less than the guard asks for, nothing may be heard. Series that must not count (other jobs,
scanners, clients that left) fail all the while.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from etter_obs.conventions import Alert, Label, Rule
from etter_obs.slo import alerts, rules, sli, stack_alerts
from etter_obs.slo.alert_rule import AlertRule
from etter_obs.slo.promql import equals, series
from etter_obs.slo.reachability import threshold, tiers_of
from etter_obs.slo.service_alerts import service_alerts
from etter_obs.slo.spec import Slo, Spec
from etter_obs.slo.text import yaml_document
from etter_obs.slo.traffic import Step, input_series, is_recorded, noise, without
from etter_obs.slo.units import decimal_text, duration_text, percent_text
from etter_obs.slo.windows import (
    EVALUATION_INTERVAL,
    PORTABLE_RANGE,
    SCRAPE_INTERVAL,
    Severity,
    Tier,
)

_DIRECTORY: Final = "alerts/tests"
_MINUTE: Final = Decimal(60)
_HOUR: Final = Decimal(3600)
_SLOW: Final = Decimal(300)
"""The slowest pace: Prometheus looks back five minutes for a sample."""
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class _Pace:
    """How often a test scrapes and evaluates, in seconds; ``blur`` is how late a rate knows."""

    scrape: Decimal
    evaluation: Decimal
    blur: Decimal

    def up(self, seconds: Decimal) -> Decimal:
        """Round up to a whole evaluation."""
        return (seconds / self.evaluation).to_integral_value(ROUND_CEILING) * self.evaluation

    def down(self, seconds: Decimal) -> Decimal:
        """Round down to a whole evaluation."""
        return (seconds / self.evaluation).to_integral_value(ROUND_FLOOR) * self.evaluation


def rule_tests(spec: Spec) -> dict[str, str]:
    """Return the test files of a service: one for each SLO, each tier of it, and the service."""
    files = {
        f"{_DIRECTORY}/{spec.service}.yml": _examples(
            service_alerts(spec), f"{spec.service}.yml", f"{spec.service}/alerts"
        )
    }
    for slo in spec.slos:
        if slo.alerting.mode == "off":
            continue
        name = f"{_DIRECTORY}/{spec.service}.{slo.name}"
        files[f"{name}.yml"] = _slo_file(spec, slo)
        for tier in tiers_of(slo, spec.period):
            files[f"{name}.{tier.name}.yml"] = _tier_file(spec, slo, tier)
    return files


def stack_tests(spec: Spec) -> dict[str, str]:
    """Return the test file of the stack's own alerts."""
    name = stack_alerts.SERVICE
    return {
        f"{_DIRECTORY}/{name}.yml": _examples(stack_alerts.stack_alerts(spec), f"{name}.yml", name)
    }


# -- burn rate ------------------------------------------------------------------------------------


def _pace(spec: Spec, slo: Slo, long: Decimal) -> _Pace:
    """Choose the test's pace: as in life for short windows, slower for long ones.

    Tiled increases lose nothing at a slower pace as long as the scrape before an interval is within
    the look-back; a slower look at slices sees every fifth of them; a rate needs its samples.
    """
    if not slo.is_event_based:
        slice_ = sli.interval(slo)
        sparse = slice_ == _MINUTE and spec.rule_form == "exact"
        scrape = _MINUTE if sparse else SCRAPE_INTERVAL
        return _Pace(scrape, slice_ if long <= 6 * _HOUR else _SLOW, Decimal(0))
    if spec.rule_form == "portable":
        blur = Decimal(0) if is_recorded(spec, slo) else PORTABLE_RANGE
        return _Pace(_MINUTE, _MINUTE, blur)
    if long <= _HOUR:
        scrape = EVALUATION_INTERVAL if is_recorded(spec, slo) else SCRAPE_INTERVAL
        return _Pace(scrape, EVALUATION_INTERVAL, Decimal(0))
    step = _MINUTE if long <= 6 * _HOUR else _SLOW
    return _Pace(step, step, Decimal(0))


def _tier_file(spec: Spec, slo: Slo, tier: Tier) -> str:
    pace = _pace(spec, slo, tier.long)
    if not slo.is_event_based:
        return _file(spec, slo, pace, [_bad_slices(spec, slo, tier, pace)])
    tests = [_fault(spec, slo, tier, pace), _low_traffic(spec, slo, tier, pace)]
    return _file(spec, slo, pace, tests)


def _fault(spec: Spec, slo: Slo, tier: Tier, pace: _Pace) -> dict[str, object]:
    """All is well; then just under the threshold for a long window; a fault; just under again."""
    limit = threshold(tier, slo, spec.period)
    under, fault = limit * Decimal("0.95"), min(_ONE, 2 * limit)
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
    firing = _firing(spec, slo, tier)
    checks = [
        _check(tier, well, []),
        _check(tier, begin, []),
        _check(tier, begin + pace.down(crossing * Decimal("0.7")), []),
        _check(tier, end, [firing]),
        _check(tier, end + pace.up(forgotten * Decimal("1.15") + pace.blur) + pace.evaluation, []),
    ]
    if not pace.blur:
        checks.append(_check(tier, end + pace.down(forgotten * Decimal("0.6")), [firing]))
    return _test(
        "quiet just under the threshold; fires once the long window is over; ends with the short",
        pace,
        input_series(spec, slo, steps, pace.scrape) | noise(spec, slo, steps, pace.scrape),
        checks,
    )


def _bad_slices(spec: Spec, slo: Slo, tier: Tier, pace: _Pace) -> dict[str, object]:
    """A slice is bad as a whole: as many in a row as the long window forgives, then one more."""
    limit = threshold(tier, slo, spec.period)
    forgiven = (tier.long / pace.evaluation * limit).to_integral_value(ROUND_FLOOR)
    # Twice, so that a window that looks back too far is diluted and fires too late.
    begin = pace.up(2 * tier.long)
    quiet = begin + forgiven * pace.evaluation
    end = quiet + 2 * pace.evaluation
    # The short window forgets when it holds no more bad slices than it forgives.
    kept = (tier.short / pace.evaluation * limit).to_integral_value(ROUND_FLOOR)
    forgotten = end + tier.short - kept * pace.evaluation
    steps = [
        Step(begin, _ONE, Decimal(0)),
        Step(end - begin, _ONE, _ONE),
        Step(2 * tier.short, _ONE, Decimal(0)),
    ]
    firing = _firing(spec, slo, tier)
    return _test(
        "quiet at as many bad slices as are forgiven; fires on more; ends with the short window",
        pace,
        input_series(spec, slo, steps, pace.scrape) | noise(spec, slo, steps, pace.scrape),
        [
            _check(tier, begin, []),
            _check(tier, quiet, []),
            _check(tier, end, [firing]),
            _check(tier, forgotten - 2 * pace.evaluation, [firing]),
            _check(tier, forgotten + pace.evaluation, []),
        ],
    )


def _low_traffic(spec: Spec, slo: Slo, tier: Tier, pace: _Pace) -> dict[str, object]:
    """Every event is bad, but there are too few of them within the window; then there are enough.

    The first ones have left the window when the next come, and those are in it, but in no shorter
    one, when the last come.
    """
    events = Decimal(slo.alerting.min_bad_events)
    few, next_ = events - 1, min(_ONE, events - 1)
    last = events - next_
    if spec.rule_form == "portable":  # counts less or more, so it is asked only about clear cases
        few, last = events // 2, events * 2
    calm = Step(pace.evaluation * 2, Decimal(0), _ONE)
    left = Step(pace.up(tier.long * Decimal("1.05")), Decimal(0), _ONE)
    kept = Step(pace.up(tier.long * Decimal("0.15")), Decimal(0), _ONE)
    after = Step(pace.up(2 * pace.evaluation + pace.blur), Decimal(0), _ONE)
    bursts = [_burst(count, pace) for count in (few, next_, last)]
    steps = [calm, bursts[0], left, bursts[1], kept, bursts[2], after]
    ends = [sum((step.seconds for step in steps[:n]), Decimal(0)) + pace.blur for n in (2, 4, 6)]
    return _test(
        f"quiet below {events} bad events within {tier.long_text}, fires from there on",
        pace,
        input_series(spec, slo, steps, pace.scrape),
        [
            _check(tier, pace.up(ends[0]), []),
            _check(tier, pace.up(ends[1]), []),
            _check(tier, pace.up(ends[2]), [_firing(spec, slo, tier)]),
        ],
    )


def _burst(events: Decimal, pace: _Pace) -> Step:
    return Step(pace.scrape, events / pace.scrape, _ONE)


def _rate(slo: Slo, bad_seconds: Decimal) -> Decimal:
    """Return events per second that put well more bad ones than the guard asks for in a window."""
    enough = 10 * Decimal(slo.alerting.min_bad_events) / bad_seconds
    return max(Decimal(10), enough).to_integral_value(ROUND_CEILING)


def _firing(spec: Spec, slo: Slo, tier: Tier) -> Mapping[str, str]:
    return {
        **sli.own_labels(spec, slo),
        Label.SEVERITY.value: tier.severity.value,
        Label.TIER.value: tier.name,
        Label.TEAM.value: spec.team_of(slo),
    }


def _check(tier: Tier, at: Decimal, firing: Sequence[Mapping[str, str]]) -> dict[str, object]:
    return _alert_check(Alert.burn_rate(tier.severity, tier.long_text), at, firing)


# -- what an SLO is made of -----------------------------------------------------------------------


def _slo_file(spec: Spec, slo: Slo) -> str:
    pace = _pace(spec, slo, _HOUR)
    tests = [_recordings(spec, slo, pace), _no_data(spec, slo, pace)]
    if slo.is_event_based:
        tests += [_no_traffic(spec, slo, pace)]
        if not is_recorded(spec, slo):
            tests += [_no_bad_series(spec, slo, pace), _nothing_yet(spec, slo, pace)]
        tests.append(_overspent(spec, slo, pace))
    if slo.sli.latency is not None:
        tests.append(_missing_bucket(spec, slo, pace))
    return _file(spec, slo, pace, tests)


def _recordings(spec: Spec, slo: Slo, pace: _Pace) -> dict[str, object]:
    """A quarter of the budget's share is bad, or one slice is: what follows is known."""
    # Slices for so long that one more or less, at the start, makes no odds.
    length = 2 * _HOUR if slo.is_event_based else 12 * _HOUR
    if slo.is_event_based:
        steps = [Step(length, Decimal(10), slo.budget / 4)]
        recent = whole = before = slo.budget / 4
    else:
        # Scraped as in life, so that one bad slice is one; and early enough that the time to go,
        # which is made from the budget of an evaluation before, knows of it.
        pace = _Pace(SCRAPE_INTERVAL, pace.evaluation, pace.blur)
        calm = 2 * pace.evaluation
        steps = [
            Step(length - calm - pace.evaluation, _ONE, Decimal(0)),
            Step(pace.evaluation, _ONE, _ONE),
            Step(calm, _ONE, Decimal(0)),
        ]
        seen = length / pace.evaluation
        recent, whole, before = pace.evaluation / _HOUR, 1 / (seen + 1), 1 / seen
    burn, left = recent / slo.budget, 1 - whole / slo.budget
    to_go = max(1 - before / slo.budget, Decimal(0)) * spec.period / burn
    series_ = input_series(spec, slo, steps, pace.scrape) | noise(spec, slo, steps, pace.scrape)
    labels = sli.own_labels(spec, slo)

    def about(rule: str, value: Decimal) -> dict[str, object]:
        found = sli.recorded(rule, spec, slo)
        margin = max(abs(value) / 50, Decimal("0.0001"))
        low, high = (decimal_text(round(edge, 6)) for edge in (value - margin, value + margin))
        expr = f"({found} > bool {low}) * ({found} < bool {high})"
        return _expression(expr, length, [(series("", _matchers(labels)), _ONE)])

    def exactly(rule: str, value: Decimal, more: Mapping[str, str]) -> dict[str, object]:
        known = series(rule, _matchers({**labels, **more}))
        return _expression(sli.recorded(rule, spec, slo), length, [(known, value)])

    info = {
        "objective": percent_text(slo.objective),
        "period": duration_text(spec.period),
        "sli": slo.sli.kind,
        "alerting": slo.alerting.mode,
        "team": spec.team_of(slo),
        "description": slo.description,
    }
    return {
        **_test("records burn, budget and time to go, and what the SLO is", pace, series_, []),
        "promql_expr_test": [
            exactly(Rule.OBJECTIVE, slo.objective, {}),
            exactly(Rule.PERIOD, spec.period, {}),
            exactly(Rule.INFO, _ONE, info),
            about(Rule.BURN_RATE, burn),
            about(Rule.BUDGET_REMAINING, left),
            about(Rule.EXHAUSTION, to_go),
        ],
    }


def _no_data(spec: Spec, slo: Slo, pace: _Pace) -> dict[str, object]:
    """Nothing is scraped at first, then something; no burn is ever told of nothing."""
    labels = {**_slo_labels(spec, slo), Label.SEVERITY.value: Severity.TICKET.value}
    silence, then = Decimal(1200), Decimal(1200)
    series_ = {
        selector: f"_x{int(silence / pace.scrape)} {values}"
        for selector, values in input_series(
            spec, slo, [Step(then, Decimal(10), Decimal(0))], pace.scrape
        ).items()
    }
    return _test(
        "says that there is no data, and only while there is none",
        pace,
        series_,
        [
            _alert_check(Alert.SLO_NO_DATA, Decimal(300), []),
            _alert_check(Alert.SLO_NO_DATA, Decimal(900), [labels]),
            _alert_check(Alert.SLO_NO_DATA, silence + then - 60, []),
            *_no_burn(spec, slo, Decimal(900)),
        ],
    )


def _no_traffic(spec: Spec, slo: Slo, pace: _Pace) -> dict[str, object]:
    """Series that stand still: no burn, no missing data, but a word about it."""
    labels = {**_slo_labels(spec, slo), Label.SEVERITY.value: Severity.TICKET.value}
    quiet = spec.no_traffic_after
    slow = _pace(spec, slo, quiet)
    steps = [
        Step(slow.up(quiet), Decimal(10), Decimal(0)),
        Step(slow.up(quiet * 2), Decimal(0), Decimal(0)),
    ]
    begin = steps[0].seconds
    return _test(
        f"says that nothing happens after {duration_text(quiet)} without an event",
        slow,
        input_series(spec, slo, steps, slow.scrape),
        [
            _alert_check(Alert.SLO_NO_TRAFFIC, begin, []),
            _alert_check(Alert.SLO_NO_TRAFFIC, slow.down(begin + quiet * Decimal("0.9")), []),
            _alert_check(
                Alert.SLO_NO_TRAFFIC,
                slow.up(begin + quiet * Decimal("1.05") + slow.blur) + slow.evaluation,
                [labels],
            ),
            _alert_check(Alert.SLO_NO_DATA, begin + quiet, []),
            *_no_burn(spec, slo, begin + quiet),
        ],
    )


def _no_bad_series(spec: Spec, slo: Slo, pace: _Pace) -> dict[str, object]:
    """A service that has never failed has a share of 0, not none."""
    length = Decimal(1200)
    all_series = input_series(spec, slo, [Step(length, Decimal(10), Decimal(0))], pace.scrape)
    kept = all_series if slo.sli.latency else without(all_series, *_bad_fragments(slo))
    expr = sli.recorded(Rule.bad_ratio("5m"), spec, slo)
    name = series(Rule.bad_ratio("5m"), _matchers(sli.own_labels(spec, slo)))
    return {
        **_test("knows a share of 0 before the first bad event", pace, kept, []),
        "promql_expr_test": [
            _expression(expr, length, [(name, Decimal(0))]),
            # Nothing burns, so there is no time at which the budget will be gone.
            _expression(sli.recorded(Rule.EXHAUSTION, spec, slo), length, []),
        ],
    }


def _nothing_yet(spec: Spec, slo: Slo, pace: _Pace) -> dict[str, object]:
    """Of no event at all, no share is bad and none is good."""
    length = Decimal(1200)
    standing = input_series(spec, slo, [Step(length, Decimal(0), Decimal(0))], pace.scrape)
    shares = sli.recorded("", spec, slo).replace("{", '{__name__=~"slo:bad:ratio_.+",', 1)
    return {
        **_test("knows no share before the first event", pace, standing, []),
        "promql_expr_test": [
            _expression(shares, length, []),
            _expression(
                sli.recorded(Rule.TOTAL_INCREASE, spec, slo),
                length,
                [(series(Rule.TOTAL_INCREASE, _matchers(sli.own_labels(spec, slo))), Decimal(0))],
            ),
        ],
    }


def _overspent(spec: Spec, slo: Slo, pace: _Pace) -> dict[str, object]:
    """When more than the budget is gone, no time is left: not less than none."""
    length = Decimal(1200)
    steps = [Step(length, Decimal(10), min(_ONE, slo.budget * 2))]
    known = series("", _matchers(sli.own_labels(spec, slo)))
    to_go = f"{sli.recorded(Rule.EXHAUSTION, spec, slo)} + 0"
    return {
        **_test(
            "has no time to go once the budget is spent",
            pace,
            input_series(spec, slo, steps, pace.scrape),
            [],
        ),
        "promql_expr_test": [
            _expression(to_go, length, [(known, Decimal(0))]),
            _expression(
                f"{sli.recorded(Rule.BUDGET_REMAINING, spec, slo)} < bool 0",
                length,
                [(known, _ONE)],
            ),
        ],
    }


def _bad_fragments(slo: Slo) -> list[str]:
    """Return what marks the series of bad events, which a healthy service does not have yet."""
    if slo.sli.requests is not None:
        return ['instance="b"']
    if slo.sli.ratio is not None and slo.sli.ratio.bad is not None:
        return [slo.sli.ratio.bad]
    return []


def _missing_bucket(spec: Spec, slo: Slo, pace: _Pace) -> dict[str, object]:
    """One of two instances lacks the bucket, then it is replaced."""
    labels = {**_slo_labels(spec, slo), Label.SEVERITY.value: Severity.TICKET.value}
    length = Decimal(1800)
    whole = input_series(spec, slo, [Step(2 * length, Decimal(10), Decimal(0))], pace.scrape)
    lacking = input_series(spec, slo, [Step(length, Decimal(10), Decimal(0))], pace.scrape)
    second = {
        selector.replace('instance="a"', 'instance="b"'): f"{values} stale"
        for selector, values in lacking.items()
        if "_bucket" not in selector or 'le="+Inf"' in selector
    }
    # Of what does not count, no bucket is missed.
    steps = [Step(2 * length, _ONE, Decimal(0))]
    uncounted = {
        selector.replace('instance="a"', 'instance="c"'): values
        for selector, values in without(noise(spec, slo, steps, pace.scrape), "_bucket").items()
    }
    return _test(
        "says that an instance lacks the threshold's bucket, and only then",
        pace,
        whole | second | uncounted,
        [
            _alert_check(Alert.SLO_MISSING_BUCKET, Decimal(300), []),
            _alert_check(Alert.SLO_MISSING_BUCKET, Decimal(900), [labels]),
            _alert_check(Alert.SLO_MISSING_BUCKET, 2 * length, []),
        ],
    )


def _slo_labels(spec: Spec, slo: Slo) -> dict[str, str]:
    return {**sli.own_labels(spec, slo), Label.TEAM.value: spec.team_of(slo)}


def _no_burn(spec: Spec, slo: Slo, at: Decimal) -> list[dict[str, object]]:
    return [_check(tier, at, []) for tier in tiers_of(slo, spec.period)]


# -- alerts that bring their own example ----------------------------------------------------------


def _examples(alert_rules: Iterable[AlertRule], file: str, group: str) -> str:
    pace = _Pace(SCRAPE_INTERVAL, EVALUATION_INTERVAL, Decimal(0))
    tests: list[dict[str, object]] = []
    at = Decimal(1500)
    for rule in alert_rules:
        if rule.example is None:
            firing = {**_plain(rule.labels), Label.SEVERITY.value: rule.severity}
            tests.append(
                _test(
                    f"{rule.name} always fires",
                    pace,
                    {"up": "1x99"},
                    [_alert_check(rule.name, at, [firing])],
                )
            )
            continue
        count = f'count(ALERTS{{{equals(Label.ALERTNAME, rule.name)},alertstate="firing"}})'
        tests += [
            *(
                {
                    **_test(f"{rule.name} fires", pace, world, []),
                    "promql_expr_test": [_expression(f"{_with(rule)} > 0", at, [("{}", _ONE)])],
                }
                for world in rule.example.fires
            ),
            {
                **_test(f"{rule.name} does not fire", pace, rule.example.quiet, []),
                "promql_expr_test": [_expression(count, at, [])],
            },
        ]
    return yaml_document(
        {
            "rule_files": [f"../rules/{file}"],
            "evaluation_interval": duration_text(pace.evaluation),
            "group_eval_order": [group],
            "tests": tests,
        }
    )


def _with(rule: AlertRule) -> str:
    """Count the firing alerts that carry the rule's own labels, whatever others they inherit."""
    labels = {Label.ALERTNAME.value: rule.name, "alertstate": "firing", **_plain(rule.labels)}
    return f"count({series('ALERTS', _matchers(labels | {Label.SEVERITY.value: rule.severity}))})"


# -- promtool's form ------------------------------------------------------------------------------


def _plain(labels: Mapping[str, str]) -> dict[str, str]:
    return {str(label): value for label, value in labels.items()}


def _matchers(labels: Mapping[str, str]) -> list[str]:
    return [equals(label, value) for label, value in sorted(labels.items())]


def _file(spec: Spec, slo: Slo, pace: _Pace, tests: list[dict[str, object]]) -> str:
    return yaml_document(
        {
            "rule_files": [f"../../{rules.path(spec, slo)}", f"../../{alerts.path(spec, slo)}"],
            "evaluation_interval": duration_text(pace.evaluation),
            "group_eval_order": [*rules.group_names(spec, slo), alerts.group_name(spec, slo)],
            "tests": tests,
        }
    )


def _test(
    name: str, pace: _Pace, series_: Mapping[str, str], checks: list[dict[str, object]]
) -> dict[str, object]:
    return {
        "name": name,
        "interval": duration_text(pace.scrape),
        "input_series": [{"series": s, "values": v} for s, v in sorted(series_.items())],
        **({"promql_expr_test": checks} if checks else {}),
    }


def _alert_check(alert: str, at: Decimal, firing: Sequence[Mapping[str, str]]) -> dict[str, object]:
    """Expect exactly these alerts, by all their labels."""
    expr = f'ALERTS{{{equals(Label.ALERTNAME, alert)},alertstate="firing"}}'
    expected = [
        (
            series("ALERTS", _matchers({**labels, Label.ALERTNAME: alert, "alertstate": "firing"})),
            _ONE,
        )
        for labels in firing
    ]
    return _expression(expr, at, expected)


def _expression(
    expr: str, at: Decimal, samples: Sequence[tuple[str, Decimal]]
) -> dict[str, object]:
    return {
        "expr": expr,
        "eval_time": duration_text(at) if at else "0s",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
    }
