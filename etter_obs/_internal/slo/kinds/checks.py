"""Checks that several kinds of SLI share: metric names and a user's own PromQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from etter_obs._internal import conventions
from etter_obs._internal.conventions import MetricKind, metric_by_suffix
from etter_obs._internal.slo.spec.user_promql import (
    names_in_quotes,
    placeholders,
    unbalanced,
    words,
)
from etter_obs._internal.text.near_miss import did_you_mean

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
"""The path in the spec, and what is wrong there."""


def metric_problems(path: Path, name: str, kind: MetricKind, spec: Spec) -> Iterator[Problem]:
    """Check that ``name`` is a metric of the product of this kind, or one of ``own_metrics``.

    Args:
        path: of the field, within the SLI.
        name: of the metric, without prefix.
        kind: the type that is required.
        spec: has ``own_metrics`` and the prefix.
    """
    if name in spec.own_metrics:
        return
    metric = metric_by_suffix(name)
    if metric is None:
        known = [m.suffix for m in conventions.METRICS if m.kind is kind]
        bare = name.removeprefix(f"{spec.metric_prefix}_")
        hint = (
            f"; write it without the prefix: {bare}" if bare in known else did_you_mean(name, known)
        )
        yield path, f"no such metric: {name}{hint or '; list your own under own_metrics'}"
    elif metric.kind is not kind:
        yield path, f"{name} is a {metric.kind}; a {kind} is required here"


def promql_problems(
    path: Path, line: str, allowed: Collection[str], spec: Spec
) -> Iterator[Problem]:
    """Check PromQL without a parser: placeholders, brackets, metric names.

    Args:
        path: of the field, within the SLI.
        line: the PromQL.
        allowed: placeholders that may be used.
        spec: has ``own_metrics`` and the prefix.
    """
    for name in placeholders(line):
        if name not in allowed:
            takes = f"known here: {', '.join(allowed)}"
            yield path, f"unknown placeholder {name}{did_you_mean(name, allowed)}; {takes}"
    for name in names_in_quotes(line):
        yield (
            path,
            f"${name} has no meaning within quotes; write ${{{name}}} for a group of a regular "
            f'expression, or \\x24{name} in "…" for the sign itself',
        )
    if fault := unbalanced(line):
        yield path, fault
        return
    prefix = f"{spec.metric_prefix}_"
    known = {
        name for metric in conventions.METRICS for name in metric.series_names(spec.metric_prefix)
    }
    for word in words(line):
        if word.startswith(prefix) and word not in known and word not in spec.own_metrics:
            hint = did_you_mean(word, known) or "; list your own under own_metrics"
            yield path, f"no such metric: {word}{hint}"
