"""What every panel owes its reader, as rules: one rule, one module, one test.

A rule is a function ``check(board, known)`` that yields what is wrong. ``lint`` runs them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from etter_obs._internal.dashboards.lint import (
    colours,
    descriptions,
    exemplars,
    generated,
    intervals,
    legends,
    limits,
    links,
    metrics,
    overlaps,
    queries,
    sources,
    titles,
    units,
    variables,
)
from etter_obs._internal.dashboards.lint.finding import Finding, Known
from etter_obs._internal.dashboards.lint.model import BoardView

if TYPE_CHECKING:
    from etter_obs._internal.slo.spec.models import Spec

Check = Callable[[BoardView, Known], Iterator[Finding]]

RULES: Final[Mapping[str, Check]] = {
    module.__name__.rpartition(".")[2]: module.check
    for module in (
        titles,
        descriptions,
        units,
        limits,
        sources,
        intervals,
        legends,
        overlaps,
        metrics,
        colours,
        links,
        exemplars,
        queries,
        variables,
        generated,
    )
}
"""Every rule by its name."""


def lint(boards: Iterable[BoardView], spec: Spec) -> list[tuple[str, Finding]]:
    """Return what is wrong with the dashboards: the rule's name and what it found."""
    known = Known.of(spec)
    return [
        (name, finding)
        for board in boards
        for name, check in RULES.items()
        for finding in check(board, known)
    ]
