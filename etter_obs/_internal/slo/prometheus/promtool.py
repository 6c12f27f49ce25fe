"""Asks the real promtool: samples and rules in, the values of PromQL expressions over time out.

``promtool test rules`` evaluates rules exactly as Prometheus does, but only compares. So each
question is put as an expectation that cannot be met, and the answer is read from what promtool
reports as ``got``.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etter_obs._internal.tool_lookup import find_program, install_commands

MAX_SAMPLES: Final = 10_000
"""Samples that one query of ``promtool test rules`` may hold (its engine's fixed limit)."""

_IMPOSSIBLE: Final = [{"labels": "etter_obs_never_expected", "value": 0}]
_GOT: Final = re.compile(r"^ {8}got: (.*)$", re.MULTILINE)
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_SAMPLE: Final = re.compile(rf'\{{((?:[^"}}]|{_QUOTED})*)\}} ([^\s,]+)')
_LABEL: Final = re.compile(rf"([A-Za-z_][A-Za-z0-9_]*)=({_QUOTED})")


class PromtoolError(RuntimeError):
    """promtool is missing or refused its input; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Question:
    """An instant query, asked ``at`` seconds after the first sample."""

    expression: str
    at: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector."""

    labels: Mapping[str, str]
    value: float


def find_promtool(chosen: Path | None = None) -> Path:
    """Return ``chosen``, else the promtool on the PATH, else the one that ``make stack`` built.

    Raises:
        PromtoolError: none of them is there; the message names the remedies.
    """
    found = chosen or find_program("promtool")
    if found is None:
        raise PromtoolError(
            "promtool: not on the PATH. Install it with one of these:\n"
            f"{install_commands('promtool')}\n"
            "  then add it to the PATH, or use --promtool ./promtool"
        )
    return found


def ask(
    promtool: Path,
    rule_files: Sequence[Path],
    series: Mapping[str, str],
    questions: Sequence[Question],
    *,
    series_step: int,
    evaluation_step: int,
    group_order: Sequence[str] = (),
) -> list[tuple[Sample, ...]]:
    """Evaluate the rules over the series and return each question's answer, in order.

    Args:
        promtool: the program, from ``find_promtool``.
        rule_files: the rules; promtool evaluates all of their groups at each step.
        series: selector → values in promtool's notation (``0+2x60 _x3 stale``).
        questions: what to ask; rules are evaluated up to the latest of them.
        series_step: seconds between two values of a series.
        evaluation_step: seconds between two evaluations of the rules.
        group_order: names of groups; those not named come first, in no order.

    Raises:
        PromtoolError: promtool refused the input, or an expression failed.
    """
    test = {
        "rule_files": [str(path.resolve()) for path in rule_files],
        "evaluation_interval": f"{evaluation_step}s",
        "group_eval_order": list(group_order),
        "tests": [
            {
                "interval": f"{series_step}s",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "promql_expr_test": [
                    {"expr": q.expression, "eval_time": f"{q.at}s", "exp_samples": _IMPOSSIBLE}
                    for q in questions
                ],
            }
        ],
    }
    with tempfile.TemporaryDirectory(prefix="etter-obs-") as folder:
        file = Path(folder) / "questions.yml"
        file.write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML, and quicker to write
        done = subprocess.run(  # noqa: S603 - the program was found by find_promtool
            [promtool, "test", "rules", file.name],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    answers = _GOT.findall(done.stderr)
    if len(answers) != len(questions):
        said = "\n".join((done.stderr + done.stdout).splitlines()[:12])
        raise PromtoolError(f"{promtool.name} gave no result; its output:\n{said}")
    return [_vector(answer) for answer in answers]


def _vector(text: str) -> tuple[Sample, ...]:
    return tuple(
        Sample({name: json.loads(value) for name, value in _LABEL.findall(labels)}, float(number))
        for labels, number in _SAMPLE.findall(text)
    )
