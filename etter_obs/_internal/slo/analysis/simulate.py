"""Plays an outage through the generated rules by the real promtool: what fires, when, how long.

Each tier is played by itself, with the rules that it reads. Before the outage all was well for as
long as its long window looks back; after it all is well until its short window has forgotten. Long
windows are played at a slower pace: tiled increases lose nothing by that, and days take seconds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import yaml

from etter_obs._internal.conventions import Alert, Label, Rule
from etter_obs._internal.conventions.external import Scrape
from etter_obs._internal.slo.alerts import burn_rate
from etter_obs._internal.slo.prometheus.promtool import PromtoolError, Question, ask
from etter_obs._internal.slo.rule_tests.synthetic_series import Step, input_series, is_recorded
from etter_obs._internal.slo.rules import recording
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.policy import EVALUATION_INTERVAL, SCRAPE_INTERVAL, Tier
from etter_obs._internal.slo.spec.reachability import tiers_of
from etter_obs._internal.text.promql import equals, series
from etter_obs._internal.text.yaml import yaml_document

_MARGIN: Final = 15 * 60
"""Seconds of good traffic beyond what the windows need, before and after."""
_EVALUATIONS: Final = 1440
"""Evaluations of a long window from which on the pace is slowed."""
_BASE: Final = {Rule.SATURATION, Rule.TOTAL_INCREASE, Rule.BAD_INCREASE}


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert that fired: from when to when, in seconds since the outage began.

    ``end`` is None where it still fired when the simulation ended; ``budget_gone`` is the share of
    the period's budget that was used up when it began.
    """

    alert: str
    severity: str
    start: int
    end: int | None
    budget_gone: float


@dataclass(frozen=True, slots=True)
class Simulation:
    """What an outage did. Every alert of the SLO is in ``alerts``, whether or not it fired."""

    slo: Slo
    steps: Sequence[Step]
    seconds: int
    alerts: Sequence[str]
    episodes: Sequence[Episode]

    @property
    def outage(self) -> int:
        """Seconds from the outage's beginning to its end."""
        return int(sum(step.seconds for step in self.steps))


def simulate(spec: Spec, slo: Slo, steps: Sequence[Step], promtool: Path) -> Simulation:
    """Evaluate ``slo``'s rules over the outage.

    Args:
        spec: the service.
        slo: the SLO with the outage.
        steps: the outage.
        promtool: evaluates the rules.

    Raises:
        PromtoolError: the SLO has no alert, or promtool refused something.
    """
    tiers = tiers_of(slo, spec.period)
    if not tiers:
        raise PromtoolError(f"{slo.name}: alerting is {slo.alerting.mode}; no alert could fire")
    names = {Alert.burn_rate(tier.severity, tier.long_text): tier for tier in tiers}
    listed = _rules(spec, slo)
    others = {rule["alert"] for rule in listed if "alert" in rule} - set(names)
    episodes: list[Episode] = []
    for number, (name, tier) in enumerate(names.items()):
        records = {Rule.bad_ratio(text) for text in (tier.long_text, tier.short_text)} | _BASE
        # What is not about a tier is played with the first one.
        wanted = {name} | (others if number == 0 else set())
        read = [r for r in listed if r.get("record") in records or r.get("alert") in wanted]
        episodes += _play(spec, slo, steps, read, tier, promtool)
    outage = int(sum(step.seconds for step in steps))
    return Simulation(
        slo,
        steps,
        outage + max(_after(tier) for tier in tiers),
        [*names, *sorted(others)],
        sorted(episodes, key=lambda episode: (episode.start, episode.alert)),
    )


def _rules(spec: Spec, slo: Slo) -> list[dict[str, Any]]:
    """The SLO's generated rules, in the order of their files."""
    files = (
        recording.rules(spec)[recording.path(spec, slo)],
        burn_rate.alerts(spec)[burn_rate.path(spec, slo)],
    )
    return [
        rule
        for text in files
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    ]


def _after(tier: Tier) -> int:
    return int(tier.short) + _MARGIN


def _play(
    spec: Spec,
    slo: Slo,
    steps: Sequence[Step],
    read: list[dict[str, Any]],
    tier: Tier,
    promtool: Path,
) -> Iterator[Episode]:
    """Yield what the alerts among ``read`` do, over the time that ``tier`` needs."""
    pace = _pace(spec, slo, steps, tier)
    before, after = -(-(int(tier.long) + _MARGIN) // pace) * pace, _after(tier)
    outage = int(sum(step.seconds for step in steps))
    fast = pace == EVALUATION_INTERVAL or not slo.is_event_based
    scrape = int(SCRAPE_INTERVAL) if fast and not is_recorded(spec, slo) else pace
    played = [
        Step(Decimal(before), steps[0].rate, Decimal(0)),
        *steps,
        Step(Decimal(after), steps[-1].rate, Decimal(0)),
    ]
    moments = range(0, outage + after, pace)
    firing = series(Scrape.ALERTS, (equals("alertstate", "firing"), equals(Label.SLO, slo.name)))
    with tempfile.TemporaryDirectory(prefix="etter-obs-") as folder:
        file = Path(folder) / "recording.yml"
        # One group: promtool evaluates several in no order, and Prometheus half a minute apart.
        file.write_text(yaml_document({"groups": [{"name": "simulated", "rules": read}]}))
        answers = ask(
            promtool,
            [file],
            input_series(spec, slo, played, Decimal(scrape)),
            [Question(firing, before + at) for at in moments],
            series_step=scrape,
            evaluation_step=pace,
        )
    seen: dict[tuple[str, str], list[int]] = {}
    for at, answer in zip(moments, answers, strict=True):
        for sample in answer:
            alert = (sample.labels["alertname"], sample.labels[Label.SEVERITY])
            seen.setdefault(alert, []).append(at)
    for (name, severity), times in seen.items():
        for start, last in _stretches(times, pace):
            end = None if last == moments[-1] else last + pace
            yield Episode(name, severity, start, end, _budget_gone(spec, slo, steps, start))


def _pace(spec: Spec, slo: Slo, steps: Sequence[Step], tier: Tier) -> int:
    """Choose seconds between evaluations: as in life where that matters, else up to two minutes."""
    if not slo.is_event_based or spec.rule_form == "portable":
        return int(slo.sli.kind.interval)
    wanted = tier.long / _EVALUATIONS
    slower = (p for p in (60, 120) if p <= wanted and all(s.seconds % p == 0 for s in steps))
    return max(slower, default=int(EVALUATION_INTERVAL))


def _stretches(times: Sequence[int], every: int) -> Iterator[tuple[int, int]]:
    """Part moments into runs without a gap; yield the first and the last of each."""
    start = last = times[0]
    for at in times[1:]:
        if at - last > every:
            yield start, last
            start = at
        last = at
    yield start, last


def _budget_gone(spec: Spec, slo: Slo, steps: Sequence[Step], at: int) -> float:
    """The share of the budget gone after ``at`` seconds, at the first step's traffic."""
    bad, left = Decimal(0), Decimal(at)
    for step in steps:
        bad += min(left, step.seconds) * step.rate * step.bad
        left -= min(left, step.seconds)
    allowed = spec.period * steps[0].rate * slo.budget
    return float(bad / allowed) if allowed else 0.0
