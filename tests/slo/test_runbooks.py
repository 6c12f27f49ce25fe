"""Runbooks: each link opens the section that it names, and generating again changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from etter_obs.slo.plan import plan
from etter_obs.slo.writer import write
from tests.slo.specs import spec_of

MARKER = "<!-- End of the generated part. -->"


def slo(name: str, notes: str = "''", description: str = "It answers.") -> str:
    """Return an SLO on server errors."""
    sli = "{ requests: { bad_status: 5xx } }"
    return (
        f"{{ name: {name}, description: '{description}', objective: 99%, sli: {sli}, "
        f"runbook: {notes} }}"
    )


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
