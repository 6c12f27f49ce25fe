"""How many wrong rules the generated rule tests find.

    python -m tests.slo.mutation               at most 9 minutes, two processes
    python -m tests.slo.mutation --minutes 60  every mutant, however long it takes

One SLO of each SLI kind is generated, rules and tests, and the alerts of the service and the stack.
Then one rule at a time is made wrong by one slip (a clause dropped, a comparison swapped, a window,
a factor or a label changed), in a seeded random order, and the real promtool runs the generated
tests that reach that rule. A mutant that no test fails lives, and is named. Exit code 0 if at least
95 % were found.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from etter_obs._internal.slo.alerts.burn_rate import alerts
from etter_obs._internal.slo.alerts.stack import stack
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.rule_tests import rule_tests, stack_tests
from etter_obs._internal.slo.rules.recording import rules
from stack.build import binary
from tests.slo.mutants import Mutant, Rule, mutants

WANTED = 0.95
SPEC = """\
version: 1
service: shop
environment: test
team: shop
own_metrics: [orders_total]
receivers:
  page: { webhook: { url_file: hook } }
  ticket: { webhook: { url_file: hook } }
streaming_routes: [/stream]
slos:
  - name: requests
    description: No server error.
    objective: 99.9%
    sli: { requests: { bad_status: 5xx, without_status: [499] } }
  - name: latency
    description: Fast enough.
    objective: 95%
    sli: { latency: { threshold: 500ms } }
  - name: ratio
    description: Found in the cache.
    objective: 95%
    sli: { ratio: { good: cache_hits_total, bad: cache_misses_total } }
  - name: saturation
    description: The pool has room.
    objective: 99%
    sli:
      saturation:
        query: max(etter_db_pool_utilisation_ratio{$selector})
        below: 80%
        slice: 2m30s
  - name: promql
    description: Orders arrive.
    objective: 99%
    sli:
      promql:
        bad: sum(rate(orders_total{$selector,state="lost"}[$interval]))
        total: sum(rate(orders_total{$selector}[$interval]))
"""


@dataclass(frozen=True)
class Case:
    """One case of the generated tests, how often its rules are evaluated, and which it reaches."""

    evaluated: str
    test: dict[str, Any]
    groups: list[dict[str, Any]]

    def reaches(self, mutant: Mutant) -> bool:
        """Whether the mutated rule is among those that the tests depend on."""
        return any(_name(rule) == mutant.rule for group in self.groups for rule in group["rules"])


def build(folder: Path) -> tuple[dict[str, list[Case]], list[Mutant]]:
    """Generate everything; return each SLO's test cases, quickest first, and all mutants.

    The alerts of the service and of the stack stand beside the SLOs, under their files' names.
    """
    (folder / "slo.yaml").write_text(SPEC)
    spec = load_spec(folder / "slo.yaml")
    files = {**rules(spec), **alerts(spec), **stack(spec)}
    tests = {**rule_tests(spec), **stack_tests(spec)}
    tests_of: dict[str, list[Case]] = {}
    every: list[Mutant] = []
    for name in (*(f"{spec.service}.{slo.name}" for slo in spec.slos), spec.service, "stack"):
        groups = [
            group
            for path, text in files.items()
            if _concerns(path, name, spec.service)
            for group in yaml.safe_load(text)["groups"]
        ]
        cases = [
            Case(evaluated, case, _reached(case, groups))
            for path, text in tests.items()
            if _concerns(path, name, spec.service)
            for content in (yaml.safe_load(text),)
            for evaluated in (content["evaluation_interval"],)
            for case in content["tests"]
        ]
        cost = {}
        for case in cases:
            started = time.monotonic()
            if said := run(case, None):
                raise SystemExit(f"{name} fails on the rules as they are:\n{said}")
            cost[id(case)] = time.monotonic() - started
        tests_of[name] = sorted(cases, key=lambda case: cost[id(case)])
        every += [m for group in groups for rule in group["rules"] for m in mutants(name, rule)]
    return tests_of, every


def _concerns(path: str, name: str, service: str) -> bool:
    """Whether a file is an SLO's, or one of those that are no SLO's."""
    file = Path(path).name
    return file == f"{name}.yml" or (name != service and file.startswith(f"{name}."))


def _name(rule: Rule) -> str:
    return str(rule.get("record") or rule.get("alert"))


def _reached(test: dict[str, Any], groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups with only those rules that a case's expectations depend on, directly or not."""
    listed = {_name(rule): rule for group in groups for rule in group["rules"]}
    checks = [*test.get("promql_expr_test", []), *test.get("alert_rule_test", [])]
    texts = [check.get("expr") or check["alertname"] for check in checks]
    wanted: set[str] = set()
    while texts:
        named = {
            name
            for name in listed
            if name not in wanted and any(_mentions(text, name) for text in texts)
        }
        wanted |= named
        texts = [listed[name]["expr"] for name in named]
    return [
        {**group, "rules": [rule for rule in group["rules"] if _name(rule) in wanted]}
        for group in groups
    ]


def _mentions(expr: str, name: str) -> bool:
    """Whether an expression reads a rule, by its name or by a pattern of names."""
    patterns = re.findall(r'__name__=~"([^"]*)"', expr)
    return any(re.fullmatch(pattern, name) for pattern in patterns) or bool(
        re.search(rf"(?<![\w:]){name}(?![\w:])", expr)
    )


def run(case: Case, mutant: Mutant | None) -> str:
    """Run a case, with one rule made wrong; return what promtool says of a failure."""
    groups = case.groups
    if mutant is not None:
        groups = [
            {
                **group,
                "rules": [
                    mutant.wrong if _name(rule) == mutant.rule else rule for rule in group["rules"]
                ],
            }
            for group in groups
        ]
    with tempfile.TemporaryDirectory(prefix="etter-obs-mutant-") as folder:
        kept = [group for group in groups if group["rules"]]
        (Path(folder) / "rules.yml").write_text(json.dumps({"groups": kept}))
        order = [group["name"] for group in kept]
        test = {
            "rule_files": ["rules.yml"],
            "group_eval_order": order,
            "evaluation_interval": case.evaluated,
            "tests": [case.test],
        }
        (Path(folder) / "test.yml").write_text(json.dumps(test))
        done = subprocess.run(
            [binary("promtool"), "test", "rules", "test.yml"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if "must contain at least one non-empty matcher" in done.stderr:
        return done.stderr  # promtool refuses it by itself
    if "could not parse expression" in done.stderr:
        raise ValueError(f"{mutant} is no PromQL: {done.stderr}")
    return done.stderr + done.stdout if done.returncode else ""


def lives(job: tuple[Sequence[Case], Mutant]) -> bool:
    """Whether no case fails on a mutant; the quickest that reach it are tried first."""
    cases, mutant = job
    return not any(run(case, mutant) for case in cases if case.reaches(mutant))


def main() -> int:
    """Try mutants until all are tried or the time is over; report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="stop after so long")
    deadline = time.monotonic() + parser.parse_args().minutes * 60
    with tempfile.TemporaryDirectory(prefix="etter-obs-mutation-") as folder:
        print("generating, and timing the tests on the rules as they are …", flush=True)
        tests_of, every = build(Path(folder))
    random.Random(1).shuffle(every)
    tried: Counter[str] = Counter()
    living: list[Mutant] = []
    shown = time.monotonic()
    with multiprocessing.Pool(2) as pool:
        results = pool.imap(lives, ((tests_of[mutant.slo], mutant) for mutant in every))
        for mutant, lived in zip(every, results, strict=False):
            tried[mutant.kind] += 1
            if lived:
                living.append(mutant)
                print(f"  lives: {mutant.slo} {mutant.rule} [{mutant.kind}] {mutant.slip}")
            if time.monotonic() > shown + 10:
                shown = time.monotonic()
                print(f"  {tried.total()} of {len(every)}, {len(living)} live", flush=True)
            if time.monotonic() > deadline:
                pool.terminate()
                break
    return report(every, tried, living)


def report(every: Sequence[Mutant], tried: Counter[str], living: Sequence[Mutant]) -> int:
    """Print the shares found; return the exit code."""
    print(f"\n{'slip':<12}{'tried':>8}{'found':>8}")
    lived = Counter(mutant.kind for mutant in living)
    for kind, count in sorted(tried.items()):
        print(f"{kind:<12}{count:>8}{1 - lived[kind] / count:>8.1%}")
    found = 1 - len(living) / tried.total()
    print(f"{'all':<12}{tried.total():>8}{found:>8.1%}   of {len(every)} possible")
    return 0 if found >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
