"""What a changed spec does to the period behind it.

The base recordings hold events, counted by the definition that was in force when they happened;
they do not know the objective. So a changed objective judges the whole period behind anew and at
once, while a changed definition (threshold, status, query) counts from now on, and the period's
share mixes old and new until it has passed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import yaml

from etter_obs._internal.conventions import Rule
from etter_obs._internal.slo.rules import recording
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.text.units import duration_text, percent_text

_DEFINITION: Final = (Rule.SATURATION, Rule.TOTAL_INCREASE, Rule.BAD_INCREASE)


def effects(spec: Spec, root: Path) -> Iterator[str]:
    """Yield what follows, for each SLO, where ``spec`` differs from the rules on disk."""
    names = {slo.name for slo in spec.slos}
    folder = root / "prometheus/rules"
    prefix = f"{spec.service}."
    on_disk = {
        f.name.removeprefix(prefix).removesuffix(".yml") for f in folder.glob(f"{prefix}*.yml")
    }
    for slo in spec.slos:
        if slo.name in on_disk:
            yield from _changed(spec, slo, _recordings(root / recording.path(spec, slo)))
        elif on_disk:
            yield (
                f"{slo.name}: new; it starts without history, and its budget covers only the days "
                f"since then until {duration_text(spec.period)} have passed"
            )
    for name in sorted(on_disk - names):
        yield (
            f"{name}: removed; its recordings and alerts stop, and recorded samples remain until "
            "Prometheus's retention deletes them"
        )


def _changed(spec: Spec, slo: Slo, old: dict[str, str] | None) -> Iterator[str]:
    if old is None:
        yield f"{slo.name}: the rules on disk cannot be read, so nothing is compared"
        return
    period = duration_text(spec.period)
    before = _constant(old.get(Rule.OBJECTIVE))
    if before is not None and before != slo.objective:
        yield (
            f"{slo.name}: objective {percent_text(before)} → {percent_text(slo.objective)}; the "
            f"events of the last {period} keep their counts and are judged at once "
            f"by a budget of {percent_text(slo.budget)} instead of {percent_text(1 - before)}"
        )
    length = _constant(old.get(Rule.PERIOD))
    if length is not None and length != spec.period:
        yield (
            f"{slo.name}: period {duration_text(length)} → {period}; its budget covers the "
            "new period at once, as far back as events are recorded"
        )
    parts = slo.sli.kind.expressions(spec, slo)
    new = dict(zip(_DEFINITION, (parts.value, parts.total, parts.bad), strict=True))
    if any(old.get(rule) != expr for rule, expr in new.items()):
        yield (
            f"{slo.name}: the definition of an event or of a bad event changed; earlier events "
            f"keep their counts, so its budget mixes both definitions until {period} have passed. "
            "Rename the SLO for a clean start"
        )


def _recordings(path: Path) -> dict[str, str] | None:
    """Read record → expr from a rule file; None where it is none."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {
            rule["record"]: rule["expr"] for group in content["groups"] for rule in group["rules"]
        }
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return None


def _constant(expr: str | None) -> Decimal | None:
    """Read the number out of ``vector(0.999)``."""
    try:
        return Decimal(str(expr).removeprefix("vector(").removesuffix(")"))
    except InvalidOperation:
        return None
