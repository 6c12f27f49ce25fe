"""How a rule test is written down: its pace, its input, its expectations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from etter_obs._internal.conventions import Alert, Label
from etter_obs._internal.conventions.external import Scrape
from etter_obs._internal.slo.alerts import burn_rate
from etter_obs._internal.slo.rule_tests.synthetic_series import is_recorded
from etter_obs._internal.slo.rules import recording
from etter_obs._internal.slo.spec.engines import Counting
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.policy import (
    EVALUATION_INTERVAL,
    PORTABLE_RANGE,
    SCRAPE_INTERVAL,
    Tier,
)
from etter_obs._internal.text.promql import equals, series
from etter_obs._internal.text.units import duration_text
from etter_obs._internal.text.yaml import yaml_document

MINUTE: Final = Decimal(60)
HOUR: Final = Decimal(3600)
SLOW: Final = Decimal(300)
"""The slowest pace: Prometheus looks back five minutes for a sample."""
ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Pace:
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


def pace_of(spec: Spec, slo: Slo, long: Decimal) -> Pace:
    """Choose the test's pace: as in life for short windows, slower for long ones.

    Tiled increases lose nothing at a slower pace as long as the scrape before an interval is within
    the look-back; a slower look at slices sees every fifth of them; a rate needs its samples.

    Args:
        spec: the service.
        slo: the SLO.
        long: the longest window that is tested, in seconds.
    """
    if not slo.is_event_based:
        slice_ = slo.sli.kind.interval
        sparse = slice_ == MINUTE and spec.counting is Counting.ANCHORED
        scrape = MINUTE if sparse else SCRAPE_INTERVAL
        return Pace(scrape, slice_ if long <= 6 * HOUR else SLOW, Decimal(0))
    if spec.rule_form == "portable":
        blur = Decimal(0) if is_recorded(spec, slo) else PORTABLE_RANGE
        return Pace(MINUTE, MINUTE, blur)
    if long <= HOUR:
        scrape = EVALUATION_INTERVAL if is_recorded(spec, slo) else SCRAPE_INTERVAL
        return Pace(scrape, EVALUATION_INTERVAL, Decimal(0))
    step = MINUTE if long <= 6 * HOUR else SLOW
    return Pace(step, step, Decimal(0))


def plain(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels by their plain names."""
    return {str(label): value for label, value in labels.items()}


def matchers(labels: Mapping[str, str]) -> list[str]:
    """Return the equality matchers of all labels, sorted."""
    return [equals(label, value) for label, value in sorted(labels.items())]


def document(spec: Spec, slo: Slo, pace: Pace, tests: list[dict[str, object]]) -> str:
    """Return a test file for the rules of ``slo``.

    Args:
        spec: the service.
        slo: the SLO; None for the service.
        pace: of samples and evaluations.
        tests: the cases.
    """
    return yaml_document(
        {
            "rule_files": [
                f"../../{recording.path(spec, slo)}",
                f"../../{burn_rate.path(spec, slo)}",
            ],
            "evaluation_interval": duration_text(pace.evaluation),
            "group_eval_order": [
                *recording.group_names(spec, slo),
                burn_rate.group_name(spec, slo),
            ],
            "tests": tests,
        }
    )


def case(
    name: str, pace: Pace, series_: Mapping[str, str], checks: list[dict[str, object]]
) -> dict[str, object]:
    """Return one test: a world, and what is expected of it.

    Args:
        name: what is true when the case passes.
        pace: of samples and evaluations.
        series_: selector and values of each input series.
        checks: the expected alerts.
    """
    return {
        "name": name,
        "interval": duration_text(pace.scrape),
        "input_series": [{"series": s, "values": v} for s, v in sorted(series_.items())],
        **({"promql_expr_test": checks} if checks else {}),
    }


def alert_check(alert: str, at: Decimal, firing: Sequence[Mapping[str, str]]) -> dict[str, object]:
    """Expect exactly these alerts, by all their labels.

    Args:
        alert: name of the alert.
        at: seconds after the first sample.
        firing: labels of each expected alert.
    """
    expr = f'{Scrape.ALERTS}{{{equals(Label.ALERTNAME, alert)},alertstate="firing"}}'
    expected = [
        (
            series(
                Scrape.ALERTS, matchers({**labels, Label.ALERTNAME: alert, "alertstate": "firing"})
            ),
            ONE,
        )
        for labels in firing
    ]
    return expression(expr, at, expected)


def expression(expr: str, at: Decimal, samples: Sequence[tuple[str, Decimal]]) -> dict[str, object]:
    """Expect these samples, selector and value, of ``expr`` at that time.

    Args:
        expr: PromQL.
        at: seconds after the first sample.
        samples: expected series and values.
    """
    return {
        "expr": expr,
        "eval_time": duration_text(at) if at else "0s",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
    }


def burn_check(tier: Tier, at: Decimal, firing: Sequence[Mapping[str, str]]) -> dict[str, object]:
    """Expect exactly these alerts of a tier.

    Args:
        tier: of the alert.
        at: seconds after the first sample.
        firing: labels of each expected alert.
    """
    return alert_check(Alert.burn_rate(tier.severity, tier.long_text), at, firing)
