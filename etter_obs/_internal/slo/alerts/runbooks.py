"""Runbooks: the meaning of an alert and its queries are generated, the steps are written by hand.

The generated part of a runbook is between two markers. The generator replaces it and keeps every
line outside of it; a new runbook starts with headings for the hand-written steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from etter_obs._internal.conventions import Alert, Label
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
"""Looks the same on the page; a text of slo.yaml with the marker must not end the part."""
_SLO_MEANINGS: Final[Mapping[str, str]] = {
    Alert.SLO_NO_DATA: "The series of the SLO are missing, so its burn-rate alerts cannot fire.",
    Alert.SLO_NO_TRAFFIC: "The series of the SLO exist but do not grow: it has nothing to judge.",
    Alert.SLO_MISSING_BUCKET: "Instances expose the histogram without the bucket of the "
    "threshold, so the SLO counts all of their events as slow or none of them.",
}
_TEMPLATED: Final = re.compile(r"\{\{[^}]*\}\}")
_BLANK: Final = """
## First look

## Fix

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
    """Return the runbook with its generated part replaced and everything else unchanged."""
    if held is None:
        return generated + _BLANK
    before, begin, rest = held.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        return f"{generated}\n{held}"  # a hand-written page: keep all of it
    body = after.removeprefix("\n")
    if not generated:  # whether anything remains without the generated part
        return "" if before + body in ("", _BLANK) else before + body
    return f"{before}{generated}{body}"


def _page(rule: AlertRule, sections: Iterable[str]) -> str:
    severity = {
        "page": "This alert pages: respond now.",
        "ticket": "This alert opens a ticket: look at it within the working day.",
    }.get(rule.severity, "This alert is a heartbeat, not a fault.")
    lasting = f" It fires after its condition has held for {rule.lasting}." if rule.lasting else ""
    head = f"{_BEGIN}\n\n# {rule.name}\n\n{severity}{lasting} {_meaning(rule)}\n"
    body = "".join(sections).replace(_END, _QUOTED_END)
    return f"{head}\n{body}{_END}\n"


def _meaning(rule: AlertRule) -> str:
    if tier := rule.labels.get(Label.TIER):
        return (
            f"Tier {tier}: the share of bad events exceeds the threshold in both of its windows. "
            "The service burns its error budget faster than the objective allows."
        )
    if Label.SLO in rule.labels:
        return f"{_SLO_MEANINGS[rule.name]} Each SLO below has this alert."
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
                f"Fires when more than {percent_text(reach.threshold)} are bad over both "
                f"{reach.tier.long_text} and {reach.tier.short_text}; a full outage causes this "
                f"after {seconds} min. Error budget: {percent_text(slo.budget)} of "
                f"{duration_text(spec.period)}.\n"
            )
    lines.append(_queries(rule.queries))
    if slo.runbook.strip():
        lines.append(f"From slo.yaml: {slo.runbook.strip()}\n")
    return "\n".join(lines) + "\n"


def _section(title: str, rule: AlertRule) -> str:
    return f"## {title}\n\n{_queries(rule.queries)}\n"


def _queries(queries: Mapping[str, str]) -> str:
    return "\n".join(f"{title}:\n\n    {query}\n" for title, query in queries.items())
