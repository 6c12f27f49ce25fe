"""Runbooks: each link opens the section that it names, and generating again changes nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from etter_obs.dashboards import dashboards
from etter_obs.slo.loader import parse_specs
from etter_obs.slo.plan import plan
from etter_obs.slo.writer import write
from tests.slo.specs import generated, spec_of, text_of

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
