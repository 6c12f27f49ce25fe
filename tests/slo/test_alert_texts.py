"""What an alert says: each branch of its expression brings the labels that its texts name."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from etter_obs._internal.slo.alerts.burn_rate import slo_alerts
from etter_obs._internal.slo.alerts.rule import AlertRule, Firing, annotations_of
from etter_obs._internal.slo.alerts.service import service_alerts
from etter_obs._internal.slo.alerts.stack import stack_alerts
from etter_obs._internal.slo.loading.loader import load_specs
from etter_obs._internal.slo.prometheus.promtool import Question, ask
from etter_obs._internal.slo.spec.models import Spec
from stack.build import binary
from tests.slo.specs import SHIPPED, generated, spec_of, written

OTHER = spec_of(
    "{ name: up, description: Up., objective: 99%, sli: { requests: { bad_status: 5xx } } }",
    "{ name: fast, description: Fast., objective: 95%, sli: { latency: { threshold: 1s } } }",
    more="metric_prefix: shop\nlinks: { grafana: 'https://g.example.org' }\n",
)
SPECS = {"shipped": load_specs(SHIPPED)[0], "other": OTHER}
_LABEL = re.compile(r"\$labels\.(\w+)")
_OR = re.compile(r"\s+or\s+")


def with_examples() -> Iterator[tuple[Spec, AlertRule]]:
    """Yield the alerts that bring worlds of their own."""
    for spec in SPECS.values():
        for rule in (*service_alerts(spec), *stack_alerts(spec)):
            if rule.example is not None:
                yield spec, rule


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_texts_name_only_labels_that_the_alert_always_has(spec: Spec) -> None:
    """A label in an annotation is fixed, or each world in which the alert fires declares it."""
    rules = [*service_alerts(spec), *stack_alerts(spec)]
    rules += [rule for slo in spec.slos for rule in slo_alerts(spec, slo)]
    for rule in rules:
        firings = rule.example.fires if rule.example is not None else [Firing({})]
        for text in annotations_of(rule, spec).values():
            assert text.count("$labels") == len(_LABEL.findall(text)), f"{rule.name}: {text}"
            for label in _LABEL.findall(text):
                for firing in firings:
                    known = {**rule.labels, **firing.labels}
                    assert known.get(label), f"{rule.name}: {label} is not in {known}"


def test_each_branch_of_an_alert_fires_in_a_world_of_its_own(tmp_path: Path) -> None:
    """Every `or` branch is true in some example, and its result has the declared labels."""
    for _, rule in with_examples():
        assert rule.example is not None
        branches = _OR.split(rule.expr)
        alone = set()
        for firing in rule.example.fires:
            answers = ask(
                binary("promtool"),
                [],
                firing.series,
                [Question(branch, 1500) for branch in branches],
                series_step=15,
                evaluation_step=30,
            )
            true = [index for index, answer in enumerate(answers) if answer]
            assert len(true) == 1, f"{rule.name}: {firing.series} is the example of {true}"
            (sample,) = answers[true[0]]
            labels = {name: value for name, value in sample.labels.items() if name != "__name__"}
            assert labels == dict(firing.labels), f"{rule.name}: {branches[true[0]]}"
            alone.update(true)
        assert alone == set(range(len(branches))), f"{rule.name}: no example of a branch"


@pytest.mark.parametrize("name", ["AlertDeliveryFailing", "CollectorExportFailing"])
def test_generated_tests_fail_where_a_branch_lacks_a_label_of_the_text(
    name: str, tmp_path: Path
) -> None:
    """Rules whose last branch drops its label do not pass the tests made for them."""
    files = generated((OTHER,))
    rules = files["alerts/rules/stack.yml"]
    start = rules.index(f"alert: {name}")
    end = rules.index("labels:", start)
    last = rules.rindex("or\n", start, end)
    label = "integration" if name == "AlertDeliveryFailing" else "exporter"
    files["alerts/rules/stack.yml"] = (
        rules[:last] + rules[last:end].replace(label, "another", 1) + rules[end:]
    )
    written(files, tmp_path)
    done = subprocess.run(
        [binary("promtool"), "test", "rules", tmp_path / "alerts/tests/stack.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"alertname: {name}" in done.stdout + done.stderr
