"""Runbooks: what an alert means in this service's numbers is generated, what to do is not.

A runbook's generated part stands between two markers. The generator replaces it and keeps every
line below; a new runbook starts with the headings that a person fills in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from etter_obs._internal.conventions import Label
from etter_obs._internal.slo.alerts.burn_rate import slo_alerts
from etter_obs._internal.slo.alerts.rule import RUNBOOKS, AlertRule, section
from etter_obs._internal.slo.alerts.service import service_alerts
from etter_obs._internal.slo.alerts.stack import stack_alerts
from etter_obs._internal.slo.spec.models import Slo, Spec
from etter_obs._internal.slo.spec.reachability import reaches
from etter_obs._internal.text.units import duration_text, percent_text
from etter_obs._internal.text.yaml import GENERATED

_BEGIN: Final = f"<!-- {GENERATED} Your own text goes below the end marker. -->"
_END: Final = "<!-- End of the generated part. -->"
_QUOTED_END: Final = f"&lt;{_END[1:]}"
"""Reads the same on the page; a text of slo.yaml that holds the marker must not end the part."""
_TEMPLATED: Final = re.compile(r"\{\{[^}]*\}\}")
_BLANK: Final = """
## First look

## Mend

## Afterwards
"""


def runbooks(specs: Sequence[Spec]) -> dict[str, str]:
    """Return the generated part of every alert's runbook, by path."""
    pages: dict[str, list[str]] = {}
    shown: dict[str, AlertRule] = {}
    for spec in specs:
        for slo in spec.slos:
            for rule in slo_alerts(spec, slo):
                shown.setdefault(rule.name, rule)
                pages.setdefault(rule.name, []).append(_slo_section(spec, slo, rule))
        for rule in service_alerts(spec):
            shown.setdefault(rule.name, rule)
            pages.setdefault(rule.name, []).append(_section(spec.service, rule))
    for rule in stack_alerts(specs[0]):
        shown[rule.name] = rule
        pages[rule.name] = [_queries(rule.queries)]
    return {
        f"{RUNBOOKS}/{name}.md": _page(shown[name], sections) for name, sections in pages.items()
    }


def merged(generated: str, held: str | None) -> str:
    """Return the runbook with its generated part replaced and everything else as it was."""
    if held is None:
        return generated + _BLANK
    before, begin, rest = held.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        return f"{generated}\n{held}"  # a person's own page: keep it whole
    body = after.removeprefix("\n")
    if not generated:  # asked whether anything is left without it
        return "" if before + body in ("", _BLANK) else before + body
    return f"{before}{generated}{body}"


def _page(rule: AlertRule, sections: Iterable[str]) -> str:
    severity = {
        "page": "It pages: someone is needed now.",
        "ticket": "It is a ticket: someone looks at it within the working day.",
    }.get(rule.severity, "It is a heartbeat, not a fault.")
    lasting = f" It has held for {rule.lasting} when it fires." if rule.lasting else ""
    head = f"{_BEGIN}\n\n# {rule.name}\n\n{severity}{lasting} {_meaning(rule)}\n"
    body = "".join(sections).replace(_END, _QUOTED_END)
    return f"{head}\n{body}{_END}\n"


def _meaning(rule: AlertRule) -> str:
    if tier := rule.labels.get(Label.TIER):
        return (
            f"Tier {tier}: over both of its windows the error budget burned so fast that a known "
            "share of the whole period's would be gone by the end of the long one."
        )
    if Label.SLO in rule.labels:
        return "It is told for each SLO; those below have it."
    return _TEMPLATED.sub("N", rule.description)


def _slo_section(spec: Spec, slo: Slo, rule: AlertRule) -> str:
    lines = [
        f"## {section(spec, slo.name)}\n",
        f"{slo.description} Objective {percent_text(slo.objective)}.\n",
    ]
    for reach in reaches(slo, spec.period):
        if reach.tier.name == rule.labels.get(Label.TIER):
            outage = reach.detection(1 + 0 * reach.threshold)
            seconds = f"{float(outage or 0) / 60:.3g}"
            lines.append(
                f"Fires above {percent_text(reach.threshold)} bad over {reach.tier.long_text} and "
                f"{reach.tier.short_text}; after a full outage of {seconds} min. "
                f"Budget: {percent_text(slo.budget)} of {duration_text(spec.period)}.\n"
            )
    lines.append(_queries(rule.queries))
    if slo.runbook.strip():
        lines.append(f"From slo.yaml: {slo.runbook.strip()}\n")
    return "\n".join(lines) + "\n"


def _section(title: str, rule: AlertRule) -> str:
    return f"## {title}\n\n{_queries(rule.queries)}\n"


def _queries(queries: Mapping[str, str]) -> str:
    return "\n".join(f"{title}:\n\n    {query}\n" for title, query in queries.items())
