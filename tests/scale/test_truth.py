"""The truth suite on real engines: the seven histories of ``tests/slo/test_accuracy.py``.

``pytest tests/scale/test_truth.py -s`` prints the table of docs/slo-proofs.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from etter_obs._internal.conventions import Rule
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.rules.recording import rules
from tests.scale.engines import ENGINES, Engine
from tests.scale.remote_write import STALE, Sample
from tests.slo import test_accuracy as accuracy
from tests.slo.events import COUNTERS, EVALUATION, Run
from tests.slo.specs import text_of

pytestmark = [pytest.mark.scale, pytest.mark.e2e]

END = accuracy.SECONDS - 1
INSTANT_STEP = 300
"""VictoriaMetrics looks back as far as the step of a question: for an instant one, five minutes."""
AGO = accuracy.SECONDS + 900
"""Seconds before now at which every history begins; it is over when the engine is asked."""
FORMS = {
    "prometheus": ("prometheus", "thanos"),
    "thanos": ("thanos",),
    "victoriametrics": ("victoriametrics",),
}
"""The values of ``engine:`` whose rules each engine evaluates."""
RUNS = {history.__name__.replace("_", "-"): history() for history in accuracy.HISTORIES}


@dataclass(frozen=True)
class Judged:
    """An engine after it evaluated every history, and the moment at which they begin."""

    engine: Engine
    start: int

    def ask(self, expression: str, moments: range) -> dict[tuple[str, int], float]:
        """Return an expression's values by SLO and moment, where it has one."""
        first, last = self.start + moments[0], self.start + moments[-1]
        return {
            (series["metric"]["slo"], int(at) - self.start): float(value)
            for series in self.engine.range(expression, first, last, moments.step)
            for at, value in series["values"]
        }

    def outcome(self, environment: str, run: Run) -> accuracy.Outcome:
        """Ask what the rules recorded of one history."""
        of = f'{{environment="{environment}"}}'
        ended = END // EVALUATION * EVALUATION

        def at_the_end(expression: str) -> dict[str, float]:
            found = self.ask(expression, range(ended, ended + 1, INSTANT_STEP))
            return {slo: value for (slo, _), value in found.items()}

        def sums(record: str) -> dict[str, float]:
            return at_the_end(f"sum by (slo) (sum_over_time({record}{of}[1d]))")

        ratios = {}
        every = range(accuracy.MOMENTS[0], accuracy.MOMENTS[-1] + 1, EVALUATION)
        for window in accuracy.WINDOWS:
            found = self.ask(f"{Rule.bad_ratio(window)}{of}", every)
            for slo in accuracy.BUDGET:
                for at in accuracy.MOMENTS:
                    ratios[slo, window, at] = found.get((slo, at), math.nan)
        return accuracy.Outcome(
            run,
            sums(Rule.TOTAL_INCREASE),
            sums(Rule.BAD_INCREASE),
            at_the_end(f"1 - {Rule.BUDGET_REMAINING}{of}"),
            ratios,
        )


@pytest.fixture(
    scope="module",
    params=[(engine, form) for engine, forms in FORMS.items() for form in forms],
    ids=lambda pair: f"{pair[0]}, rules of {pair[1]}",
)
def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Judged]:
    """Run an engine and let it evaluate the rules over all histories, each an environment."""
    name, form = request.param
    folder = tmp_path_factory.mktemp(name)
    start = (int(time.time()) - AGO) // 240 * 240
    with ENGINES[name](folder) as engine:
        engine.write([one for env, run in RUNS.items() for one in scraped(run, env, start)])
        files = []
        for env in RUNS:
            spec = folder / f"{env}.yaml"
            spec.write_text(text_of(*accuracy.SLOS, more=f"engine: {form}\n", environment=env))
            for number, text in enumerate(rules(load_spec(spec)).values()):
                files.append(folder / f"{env}.{number}.yml")
                files[-1].write_text(text.replace("name: shop/", f"name: {env}/shop/"))
        engine.evaluate(files, start, start + END)
        yield Judged(engine, start)


def scraped(run: Run, environment: str, start: int) -> Iterator[Sample]:
    """Yield what an engine stores of a history: each scrape's samples, and stale markers."""
    for instance in run.instances:
        for selector, kind in accuracy.METRICS.items():
            labels = labels_of(selector % instance.name, environment)
            for at, value in instance.counted(COUNTERS[kind], run.seconds):
                yield Sample(labels, start + at, STALE if value is None else value)


def labels_of(selector: str, environment: str) -> tuple[tuple[str, str], ...]:
    """Return the labels of ``name{label="value",…}``, in another environment."""
    name, _, rest = selector.rstrip("}").partition("{")
    pairs = [part.split("=", 1) for part in rest.split('",')]
    labels = {key: value.strip('"') for key, value in pairs}
    return tuple(({**labels, "environment": environment, "__name__": name}).items())


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("history", list(RUNS))
def test_the_engine_counts_the_truth(judged: Judged, history: str) -> None:
    """Counts and budget are within 1 % of the raw requests, and each ratio is the seen one."""
    outcome = judged.outcome(history, RUNS[history])
    for slo in accuracy.BUDGET:
        total, bad = accuracy.truth(outcome.run, slo)
        shares = f"{outcome.total[slo] / total:.5f} {outcome.bad[slo] / bad:.5f}"
        print(f"\n  {history:16} {slo:13} total and bad, counted / true: {shares}", end="")
    accuracy.require_the_truth(outcome)
