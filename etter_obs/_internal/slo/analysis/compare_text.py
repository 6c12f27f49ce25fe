"""Shows a comparison: as a table in a terminal or in Markdown, as JSON."""

from __future__ import annotations

import json

from rich.table import Table

from etter_obs._internal.slo.analysis.compare import Change, Comparison, Unit, Verdict
from etter_obs._internal.text.units import compound_duration_text

_STYLES = {Verdict.WORSE: "bold red", Verdict.BETTER: "green", Verdict.UNKNOWN: "dim"}


def heading(made: Comparison) -> str:
    """Return the line above the table: what is compared."""
    return f"{made.title}: {made.before}, then {made.after}"


def table(made: Comparison) -> Table:
    """Return the lines as a table; an SLI's value is its share of bad events."""
    found = Table("", "before", "after", "difference (interval)", "verdict")
    for change in made.changes:
        found.add_row(
            change.name,
            _value(change, change.before),
            _value(change, change.after),
            _difference(change),
            change.verdict.value,
            style=_STYLES.get(change.verdict),
        )
    return found


def conclusion(made: Comparison) -> str:
    """Return the lines under the table: the verdict, and what the intervals rest on."""
    found = [
        f"{verdict.value.capitalize()}: {', '.join(change.name for change in lines)}."
        for verdict in (Verdict.WORSE, Verdict.BETTER)
        if (lines := made.that_are(verdict))
    ]
    same = len(made.that_are(Verdict.SAME))
    if same:
        found.append(f"No difference seen in {same} of {len(made.changes)}.")
    first, second = made.blocks
    found.append(
        f"The intervals hold together at {made.confidence * 100:g}%; they follow from {first} and "
        f"{second} blocks of {compound_duration_text(made.block_seconds)}."
    )
    return "\n".join(found)


def as_json(made: Comparison) -> str:
    """Return everything in the comparison; shares from 0 to 1, times in seconds."""
    return json.dumps(
        {
            "compared": made.title,
            "before": made.before,
            "after": made.after,
            "confidence": made.confidence,
            "block_seconds": made.block_seconds,
            "blocks": made.blocks,
            "worse": bool(made.that_are(Verdict.WORSE)),
            "changes": [
                {
                    "name": change.name,
                    "unit": change.unit,
                    "before": change.before,
                    "after": change.after,
                    "difference": change.interval and list(change.interval),
                    "verdict": change.verdict.value,
                }
                for change in made.changes
            ],
        },
        indent=2,
    )


def _value(change: Change, value: float | None) -> str:
    if value is None:
        return "no data"
    beyond = "> " if change.limit is not None and value >= change.limit else ""
    bad = " bad" if change.unit == "share" else ""
    return f"{beyond}{_quantity(change.unit, value)}{bad}"


def _difference(change: Change) -> str:
    if change.interval is None or change.before is None or change.after is None:
        return "–"
    middle, low, high = (
        _signed(change.unit, value) for value in (change.after - change.before, *change.interval)
    )
    points = " points" if change.unit == "share" else ""
    return f"{middle} ({low} … {high}){points}"


def _signed(unit: Unit, value: float) -> str:
    sign, size = ("+" if value >= 0 else "−"), abs(value)
    return sign + (f"{size * 100:.3g}" if unit == "share" else _quantity(unit, size))


def _quantity(unit: Unit, value: float) -> str:
    if unit == "share":
        return f"{value * 100:.3g}%"
    if unit == "rate":
        return f"{value:.4g}/s"
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
