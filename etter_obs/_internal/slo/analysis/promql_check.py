"""Has the real promtool parse the PromQL of slo.yaml, so that its reason comes with their line.

Without it a query that does not parse is found only in the rules that were made from it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from etter_obs._internal.slo.kinds.checks import Problem
from etter_obs._internal.slo.loading.validation import PromqlChecker
from etter_obs._internal.slo.spec.models import Spec
from etter_obs._internal.text.yaml import yaml_document

_REASON: Final = re.compile(
    r'rule (\d+), "judged": could not parse expression: (?:\d+:\d+: )?(?:parse error: )?(.*)'
)
_PROBE: Final = "rate(up[30s] anchored)"
"""The newest PromQL that rules are made of: a promtool that does not know it judges nothing."""


def promql_checker(promtool: Path) -> PromqlChecker:
    """Return what has ``promtool`` parse a spec's PromQL, each query once."""
    reasons: dict[str, str | None] = {}

    def problems(spec: Spec) -> Iterator[Problem]:
        # The same names for all services, so that each query is checked once.
        plain = spec.model_copy(update={"service": "service", "environment": "environment"})
        asked = {
            ("slos", index, "sli", slo.sli.name, field): expression
            for index, slo in enumerate(spec.slos)
            for field, expression in slo.sli.kind.user_expressions(plain).items()
        }
        new = sorted(set(asked.values()) - reasons.keys())
        reasons.update(_refused(promtool, new))
        for path, expression in asked.items():
            if reason := reasons[expression]:
                yield path, f"promtool: {reason}"

    return problems


def _refused(promtool: Path, expressions: list[str]) -> dict[str, str | None]:
    """Return for each expression why it is no instant vector, None where it is one."""
    wanted = [_PROBE, *(f"{expression} or vector(0)" for expression in expressions)]
    rules = [{"record": "judged", "expr": expression} for expression in wanted]
    found: dict[int, str] = {}
    if expressions:
        try:
            done = subprocess.run(  # noqa: S603  # the program that the user has or names, no shell
                [promtool, "check", "rules", "--lint=none"],
                input=yaml_document({"groups": [{"name": "judged", "rules": rules}]}),
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except OSError:
            pass  # `etter-obs check` tells of a promtool that cannot be run
        else:
            found = {int(n): reason for n, reason in _REASON.findall(done.stderr + done.stdout)}
    if 1 in found:
        found = {}
    return {expression: found.get(n) for n, expression in enumerate(expressions, start=2)}
