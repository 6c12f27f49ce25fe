"""Runbooks: each link opens the section that it names, and generating again changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from etter_obs._internal.conventions import Label
from etter_obs._internal.dashboards import dashboards
from etter_obs._internal.generate.plan import plan
from etter_obs._internal.generate.writer import write
from etter_obs._internal.slo.alerts.burn_rate import slo_alerts
from etter_obs._internal.slo.alerts.runbooks import runbooks
from etter_obs._internal.slo.alerts.service import service_alerts
from etter_obs._internal.slo.alerts.stack import stack_alerts
from etter_obs._internal.slo.loading.loader import load_specs, parse_specs
from tests.slo.specs import SHIPPED, generated, spec_of, text_of

MARKER = "<!-- End of the generated part. -->"


def slo(name: str, notes: str = "''", description: str = "It answers.") -> str:
    """Return an SLO on server errors."""
    sli = "{ requests: { bad_status: 5xx } }"
    return (
        f"{{ name: {name}, description: '{description}', objective: 99%, sli: {sli}, "
        f"runbook: {notes} }}"
    )


def alerts_of(text: str) -> list[dict[str, Any]]:
    """Return every alert that follows from a spec file, as Prometheus reads it."""
    files = generated(parse_specs(text, "slo.yaml"))
    return [
        rule
        for path, content in files.items()
        if path.startswith("alerts/rules/")
        for group in yaml.safe_load(content)["groups"]
        for rule in group["rules"]
    ]


def sections(page: str) -> Iterator[tuple[str, str]]:
    """Yield each section's anchor, as GitHub makes it, and its text.

    The heading in small letters, without punctuation, a dash for each space; where an anchor is
    taken the next one is numbered.
    """
    taken: set[str] = set()
    for part in re.split(r"^#+ ", page, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        numbered = (f"{plain}-{number}" if number else plain for number in range(99))
        anchor = next(one for one in numbered if one not in taken)
        taken.add(anchor)
        yield anchor, text


@pytest.mark.parametrize(
    "written", [slo("up", f'"Look {MARKER} here\\n## First look"'), slo("up", description=MARKER)]
)
def test_a_text_that_holds_the_end_marker_does_not_end_the_generated_part(
    written: str, tmp_path: Path
) -> None:
    """Whatever slo.yaml says, generating again changes nothing, and what a person wrote stays."""
    everything = plan((spec_of(written),))
    write(tmp_path, everything.changes(tmp_path))
    assert everything.changes(tmp_path) == []
    page = tmp_path / "alerts/runbooks/SLONoData.md"
    page.write_text(page.read_text(encoding="utf-8") + "Call Ada.\n", encoding="utf-8")
    assert everything.changes(tmp_path) == []


def test_a_base_may_end_in_a_slash() -> None:
    """Links of alerts and of panels have one slash between the base and the path, as served."""
    bases = "links: { grafana: 'https://g.example.org/', runbooks: 'https://r.example.org/x//' }\n"
    text = text_of(slo("up"), more=bases)
    for alert in alerts_of(text):
        annotations = alert["annotations"]
        assert annotations["dashboard"].startswith("https://g.example.org/d/etter-obs-")
        assert annotations["runbook"].startswith(f"https://r.example.org/x/{alert['alert']}.md")
    panels = "".join(dashboards(parse_specs(text, "slo.yaml")[0]).values())
    assert set(re.findall(r'"([^"]*/)SLOBurnRatePage1h', panels)) == {"https://r.example.org/x/"}


ODD = """\
services:
  billing: {}
  shop-a:
    slos: [{ name: up, objective: 95% }, { name: b, remove: true }]
"""


@pytest.mark.parametrize("services", ["", ODD])
def test_an_alerts_link_opens_the_section_with_its_own_queries(services: str) -> None:
    """Each service's alert names a section that is there, once, and asks for that service alone.

    Also where a dash in a name makes two pairs of names read alike.
    """
    text = text_of(slo("up"), slo("a-up"), slo("b"), slo("a-b"), more=services)
    pages = runbooks(parse_specs(text, "slo.yaml"))
    anchors = set()
    for alert in alerts_of(text):
        path, _, anchor = alert["annotations"]["runbook"].partition("#")
        labels = alert["labels"]
        if Label.SLO not in labels and (not services or labels["service"] == "stack"):
            assert not anchor
            continue
        of_page = dict(sections(pages[path]))
        anchors.add((path, anchor))
        assert len(of_page) == len(list(sections(pages[path])))
        own = of_page[anchor]
        assert set(re.findall(r'(?:service|job)="([^"]+)"', own)) == {labels["service"]}, anchor
        if Label.SLO in labels and "slo=" in own:
            assert set(re.findall(r'slo="([^"]+)"', own)) == {labels["slo"]}, anchor
    assert len(anchors) == sum(
        bool(a["annotations"]["runbook"].count("#")) for a in alerts_of(text)
    )


def test_a_panels_link_opens_the_section_of_the_chosen_service() -> None:
    """With several services, links of panels name the section by the variable of the service."""
    several, alone = (
        "".join(dashboards(parse_specs(text_of(slo("up"), more=more), "slo.yaml")[0]).values())
        for more in ("services: { billing: {} }\n", "")
    )
    assert set(re.findall(r'SLOBurnRatePage1h\.md#([^"]*)"', alone)) == {"up", "${slo}"}
    found = set(re.findall(r'SLOBurnRatePage1h\.md#([^"]*)"', several))
    assert found == {"${service}_up", "${service}_${slo}"}


def test_no_query_unites_selectors_whose_labels_are_the_same() -> None:
    """No runbook query is ``a{…} or b{…}``, of which Prometheus returns the first alone."""
    specs = load_specs(SHIPPED)
    rules = [rule for spec in specs for slo in spec.slos for rule in slo_alerts(spec, slo)]
    rules += [rule for spec in specs for rule in (*service_alerts(spec), *stack_alerts(spec))]
    queries = [query for rule in rules for query in rule.queries.values()]
    assert len(queries) > 60
    assert [query for query in queries if re.search(r"\} or [a-z_:]+\{", query)] == []
