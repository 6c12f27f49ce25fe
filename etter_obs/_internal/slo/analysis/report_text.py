"""Shows a report: as tables in a terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.table import Table

from etter_obs._internal.slo.analysis.report import Part, Report, SloReport
from etter_obs._internal.text.units import duration_text, percent_text


def heading(report: Report) -> str:
    """Return the line above the tables: whose report, of which period."""
    spec = report.spec
    end = datetime.fromtimestamp(report.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{spec.service} in {spec.environment}, {duration_text(spec.period)} to {end}"


def tables(report: Report) -> Iterator[Table]:
    """Yield the table of all SLOs, then the one that says where their bad events were."""
    overview = Table("SLO", "objective", "attained", "budget left", "bad", "of events")
    for item in report.slos:
        attained = "no events" if item.attainment is None else percent(item.attainment, 3)
        style = "red" if item.budget_left <= 0 else None
        overview.add_row(
            item.slo.name,
            percent_text(item.slo.objective),
            attained,
            percent(item.budget_left, 1),
            f"{item.bad:,.0f}",
            f"{item.total:,.0f}",
            style=style,
        )
    for slo in report.missing:
        overview.add_row(slo.name, percent_text(slo.objective), "no data", "", "", "")
    yield overview
    burnt = [item for item in report.slos if item.bad > 0]
    if burnt:
        where = Table("SLO", "worst days (of the budget)", "worst routes (of the budget)")
        for item in burnt:
            where.add_row(item.slo.name, _parts(item.worst_days), _parts(item.worst_routes))
        yield where


def conclusion(report: Report) -> str:
    """Return the line under the tables: whether there is budget left."""
    if not report.spent:
        return "Every SLO has budget left."
    return f"Budget spent: {', '.join(item.slo.name for item in report.spent)}."


def as_json(report: Report) -> str:
    """Return everything in the report, shares as numbers from 0 to 1."""
    spec = report.spec
    return json.dumps(
        {
            "service": spec.service,
            "environment": spec.environment,
            "period_seconds": int(spec.period),
            "at": report.at,
            "budget_left": not report.spent,
            "slos": [_object(item) for item in report.slos],
            "no_data": [slo.name for slo in report.missing],
        },
        indent=2,
    )


def _object(item: SloReport) -> dict[str, object]:
    return {
        "name": item.slo.name,
        "objective": float(item.slo.objective),
        "attainment": item.attainment,
        "budget_left": item.budget_left,
        "events": item.total,
        "bad": item.bad,
        "worst_days": [_part(part) for part in item.worst_days],
        "worst_routes": [_part(part) for part in item.worst_routes],
    }


def _part(part: Part) -> dict[str, object]:
    return {"name": part.name, "bad": part.bad, "budget_spent": part.budget_spent}


def _parts(parts: Sequence[Part]) -> str:
    return ", ".join(f"{part.name} {percent(part.budget_spent, 1)}" for part in parts) or "–"


def percent(share: float, digits: int) -> str:
    """Write a share in per cent, never rounded up to a whole that it is not."""
    text = f"{share * 100:.{digits}f}"
    if share < 1 and float(text) == 100:
        text = f"{100 - 10**-digits:.{digits}f}"
    return f"{text}%"
