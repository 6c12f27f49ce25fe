"""The shipped rules count what happened: ratios and budgets against the truth from raw requests.

Both sides start from the same raw requests. The truth is counted from them. The rules get only what
Prometheus would have scraped, and the real promtool evaluates them as they are generated.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from etter_obs._internal.conventions import Rule
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.prometheus.promtool import Question, Sample, ask
from etter_obs._internal.slo.rules.recording import rules
from stack.build import binary
from tests.slo.events import EVALUATION, Instance, Request, Run, steady
from tests.slo.specs import text_of

HOUR = 3600
ACTIVE = 6 * HOUR
SECONDS = ACTIVE + 2 * 60
WINDOWS = {"5m": 300, "30m": 1800, "1h": HOUR, "6h": 6 * HOUR}
MOMENTS = range(1800, SECONDS, 600)

SLOS = (
    "{ name: availability, description: No server error., objective: 99%, "
    "sli: { requests: { bad_status: 5xx } } }",
    "{ name: latency, description: Fast enough., objective: 95%, "
    "sli: { latency: { threshold: 500ms } } }",
)
BUDGET = {"availability": 0.01, "latency": 0.05}
COMMON = 'job="shop",environment="test",instance="%s",method="GET",endpoint="/items/{id}"'
DURATION = "etter_request_duration_seconds"
METRICS = {
    f'etter_requests_total{{{COMMON},status="200"}}': "good",
    f'etter_requests_total{{{COMMON},status="500"}}': "failed",
    f'{DURATION}_count{{{COMMON},status_class="2xx"}}': "good",
    f'{DURATION}_bucket{{{COMMON},status_class="2xx",le="+Inf"}}': "good",
    f'{DURATION}_bucket{{{COMMON},status_class="2xx",le="0.5"}}': "good_fast",
    f'{DURATION}_count{{{COMMON},status_class="5xx"}}': "failed",
    f'{DURATION}_bucket{{{COMMON},status_class="5xx",le="+Inf"}}': "failed",
    f'{DURATION}_bucket{{{COMMON},status_class="5xx",le="0.5"}}': "failed",
}
COUNTED: dict[str, Callable[[Request], bool]] = {
    "availability": lambda request: True,
    "latency": lambda request: not request.failed,
}
BAD: dict[str, Callable[[Request], bool]] = {
    "availability": lambda request: request.failed,
    "latency": lambda request: not request.failed and request.slow,
}


def uneven() -> Run:
    """1,000 requests a minute with few errors, then 10 a minute with many."""
    return Run(
        SECONDS,
        [
            Instance(
                f"i{n}",
                steady(500, 60, 3 * HOUR, every_bad=400, every_slow=30, seed=n)
                + steady(5, 3 * HOUR, ACTIVE, every_bad=2, every_slow=5, seed=n + 10),
                phase=3 + 4 * n,
            )
            for n in range(2)
        ],
    )


def gaps() -> Run:
    """Two hours without a single request between two busy ones."""
    return Run(
        SECONDS,
        [
            Instance(
                f"i{n}",
                steady(60, 60, HOUR, every_bad=50, every_slow=9, seed=n)
                + steady(60, 3 * HOUR, 4 * HOUR, every_bad=20, every_slow=40, seed=n + 10),
                phase=3 + 4 * n,
            )
            for n in range(2)
        ],
    )


def resets() -> Run:
    """Both instances restart four times, each at its own moments, and count from zero again."""
    return Run(
        SECONDS,
        [
            Instance(
                f"i{n}",
                steady(100, 60, ACTIVE, every_bad=50, every_slow=9, seed=n),
                phase=3 + 4 * n,
                restarts=tuple(HOUR * hour + 600.0 * n for hour in range(1, 5)),
            )
            for n in range(2)
        ],
    )


def half_restarts() -> Run:
    """Three of six instances restart in the same second."""
    return Run(
        SECONDS,
        [
            Instance(
                f"i{n}",
                steady(100, 60, ACTIVE, every_bad=50, every_slow=9, seed=n),
                phase=2 * n,
                restarts=(2.0 * HOUR,) if n % 2 else (),
            )
            for n in range(6)
        ],
    )


def single_error() -> Run:
    """One request fails, ever; another is slow, ever."""
    busy = steady(100, 60, ACTIVE, seed=1)
    middle = len(busy) // 2
    busy[middle] = Request(busy[middle].at, failed=True)
    busy[middle + 1] = Request(busy[middle + 1].at, slow=True)
    return Run(SECONDS, [Instance("i0", busy), Instance("i1", steady(100, 60, ACTIVE, seed=2))])


def one_disappears() -> Run:
    """The worst of three instances is gone after two hours and never comes back."""
    stay = [
        Instance(f"i{n}", steady(100, 60, ACTIVE, every_bad=500, every_slow=90, seed=n), phase=n)
        for n in range(2)
    ]
    worst = steady(100, 60, 2 * HOUR, every_bad=10, every_slow=5, seed=9)
    return Run(SECONDS, [*stay, Instance("i2", worst, phase=7, died=2.0 * HOUR + 5)])


def missed_scrapes() -> Run:
    """A tenth of the scrapes fail, and once all of them for four minutes."""
    chance = random.Random(3)
    last = SECONDS // 15 - 8
    missed = [
        frozenset(n for n in range(last) if chance.random() < 0.1 or 300 < n <= 316)
        for _ in range(2)
    ]
    return Run(
        SECONDS,
        [
            Instance(
                f"i{n}",
                steady(100, 60, ACTIVE, every_bad=50, every_slow=9, seed=n),
                phase=3 + 4 * n,
                missed=missed[n],
            )
            for n in range(2)
        ],
    )


HISTORIES = [uneven, gaps, resets, half_restarts, single_error, one_disappears, missed_scrapes]


@dataclass(frozen=True)
class Outcome:
    """The rules' results for a run. ``ratios`` are by SLO, window and moment; NaN: no value."""

    run: Run
    total: dict[str, float]
    bad: dict[str, float]
    spent: dict[str, float]
    ratios: dict[tuple[str, str, int], float]


def evaluate(run: Run, form: str, folder: Path) -> Outcome:
    """Generate the rules, have promtool evaluate them over the run's scrapes, read the answers.

    ``form`` is a line of slo.yaml.
    """
    (folder / "slo.yaml").write_text(text_of(*SLOS, more=f"{form}\n", environment="test"))
    files, groups = [], []
    for number, text in enumerate(rules(load_spec(folder / "slo.yaml")).values()):
        files.append(folder / f"rules{number}.yml")
        files[-1].write_text(text)
        groups += [group["name"] for group in yaml.safe_load(text)["groups"]]
    end = SECONDS - 1
    questions = {
        "total": Question(f"sum by (slo) (sum_over_time({Rule.TOTAL_INCREASE}[1d]))", end),
        "bad": Question(f"sum by (slo) (sum_over_time({Rule.BAD_INCREASE}[1d]))", end),
        "spent": Question(f"1 - {Rule.BUDGET_REMAINING}", end),
    }
    windowed = [(window, at) for window in WINDOWS for at in MOMENTS]
    answers = ask(
        binary("promtool"),
        files,
        run.series(METRICS),
        [*questions.values(), *(Question(Rule.bad_ratio(window), at) for window, at in windowed)],
        series_step=1,
        evaluation_step=EVALUATION,
        group_order=groups,
    )
    total, bad, spent = (_by_slo(answer) for answer in answers[:3])
    ratios = {
        (slo, window, at): _by_slo(answer).get(slo, math.nan)
        for (window, at), answer in zip(windowed, answers[3:], strict=True)
        for slo in BUDGET
    }
    return Outcome(run, total, bad, spent, ratios)


def _by_slo(answer: Sequence[Sample]) -> dict[str, float]:
    return {sample.labels["slo"]: sample.value for sample in answer}


def true_ratios(dated: list[tuple[int, Request]]) -> dict[tuple[str, str, int], float]:
    """The same ratios, counted; NaN where nothing was requested within the window."""
    ratios = {}
    moments = [at for at, _ in dated]
    for window, seconds in WINDOWS.items():
        for at in MOMENTS:
            first, last = (bisect.bisect_right(moments, edge) for edge in (at - seconds, at))
            within = [request for _, request in dated[first:last]]
            for slo, counts in COUNTED.items():
                counted = [BAD[slo](request) for request in within if counts(request)]
                ratio = sum(counted) / len(counted) if counted else math.nan
                ratios[slo, window, at] = ratio
    return ratios


def truth(run: Run, slo: str) -> tuple[int, int]:
    """How many requests of a run counted in an SLO, and how many of them were bad."""
    counted = [BAD[slo](request) for request in run.requests() if COUNTED[slo](request)]
    return len(counted), sum(counted)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_the_exact_rules_equal_the_truth(history: Callable[[], Run], tmp_path: Path) -> None:
    """Counts, budget and the ratio since the start are within 1 % of what all raw requests give.

    And every ratio, over any window, at any moment, equals that of the requests that a scrape
    could see; the others are those of a process that ended before its next scrape.
    """
    require_the_truth(evaluate(history(), "engine: prometheus", tmp_path))


@pytest.mark.parametrize("history", [resets, missed_scrapes], ids=["resets", "missed_scrapes"])
def test_the_exact_rules_without_anchored_equal_the_truth(
    history: Callable[[], Run], tmp_path: Path
) -> None:
    """Differences of last samples, which engines without ``anchored`` evaluate, count the same."""
    require_the_truth(evaluate(history(), "engine: thanos", tmp_path))


def require_the_counts(outcome: Outcome) -> None:
    """Fail unless counts are within 1 % of the truth."""
    for slo in BUDGET:
        total, bad = truth(outcome.run, slo)
        assert outcome.total[slo] == pytest.approx(total, rel=0.01)
        assert outcome.bad[slo] == pytest.approx(bad, rel=0.01)


def require_the_truth(outcome: Outcome) -> None:
    """Fail unless counts and budget are within 1 % of the truth, and each ratio is the seen one."""
    require_the_counts(outcome)
    for slo, budget in BUDGET.items():
        total, bad = truth(outcome.run, slo)
        assert outcome.spent[slo] == pytest.approx(bad / total / budget, rel=0.01)
    for where, ratio in true_ratios(outcome.run.visible()).items():
        assert outcome.ratios[where] == pytest.approx(ratio, rel=1e-9, nan_ok=True), where
    for where, ratio in true_ratios(outcome.run.seen()).items():
        if where[1] == "6h":
            assert outcome.ratios[where] == pytest.approx(ratio, rel=0.01, nan_ok=True), where


def test_one_error_is_one_error(tmp_path: Path) -> None:
    """A single failed request among tens of thousands is counted once, exactly."""
    outcome = evaluate(single_error(), "rule_form: exact", tmp_path)
    assert outcome.bad == {"availability": 1.0, "latency": 1.0}


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_the_portable_rules_keep_their_bound(history: Callable[[], Run], tmp_path: Path) -> None:
    """The portable form counts 0.8 to 1.06 of all requests and of the bad ones.

    A budget is the quotient of the two, so it is between 0.8 / 1.06 and 1.06 / 0.8 of the truth.
    """
    outcome = evaluate(history(), "rule_form: portable", tmp_path)
    for slo, budget in BUDGET.items():
        total, bad = truth(outcome.run, slo)
        assert 0.8 <= outcome.total[slo] / total <= 1.06
        assert 0.8 <= outcome.bad[slo] / bad <= 1.06
        assert 0.8 / 1.06 <= outcome.spent[slo] / (bad / total / budget) <= 1.06 / 0.8
