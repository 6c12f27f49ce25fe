"""What the how-to guides show of slo.yaml is valid."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.command_line import run

HOWTO = Path(__file__).resolve().parents[2] / "docs/howto"
BASE = """\
version: 1
service: shop
environment: production
team: shop
metric_prefix: etter
period: 28d
own_metrics: [orders_failed_total, orders_total]
receivers:
  page: { webhook: { url_file: secrets/alertmanager/webhook-url } }
  ticket: { webhook: { url_file: secrets/alertmanager/webhook-url } }
"""


def page(name: str) -> str:
    """Return a guide's text."""
    return (HOWTO / f"{name}.md").read_text(encoding="utf-8")


def last_block(name: str) -> str:
    """Return a guide's last block of YAML, without its indentation."""
    return textwrap.dedent(re.findall(r"```yaml\n(.*?)```", page(name), flags=re.DOTALL)[-1])


def entry(sli: str) -> str:
    """Return an SLO with an SLI that is written in one line."""
    return f"- name: shown\n  description: As shown.\n  objective: 99%\n  sli: {{ {sli} }}\n"


def slis() -> list[str]:
    """Return what the tables of the guides offer as SLIs."""
    kinds = "requests|latency|ratio|saturation"
    found = [
        sli
        for name in ("add-a-slo", "from-pyrra")
        for sli in re.findall(rf"`((?:{kinds}): {{[^`]*?}})`", page(name))
    ]
    return sorted({sli for sli in found if "…" not in sli and sli != "ratio: { bad, total }"})


def judged(tmp_path: Path, slos: str) -> None:
    """Have the command line read a slo.yaml with these SLOs."""
    (tmp_path / "slo.yaml").write_text(f"{BASE}slos:\n{slos}", encoding="utf-8")
    code, said = run("slo", "check", cwd=tmp_path)
    assert code == 0, said


def test_the_tables_offer_slis() -> None:
    """Of at least four kinds: the pattern that looks for them finds them."""
    assert len({sli.split(":")[0] for sli in slis()}) == 4


@pytest.mark.parametrize("sli", slis())
def test_an_sli_of_a_table_is_valid(tmp_path: Path, sli: str) -> None:
    """Each can be pasted into an SLO."""
    judged(tmp_path, entry(sli))


def test_the_entry_to_add_is_valid(tmp_path: Path) -> None:
    """The whole entry of the how-to, unchanged."""
    judged(tmp_path, last_block("add-a-slo"))


def test_an_slo_from_sloth_is_valid(tmp_path: Path) -> None:
    """Its SLI, after the move."""
    sli = yaml.safe_load(last_block("from-sloth"))["sli"]
    slos = [{"name": "moved", "description": "Moved.", "objective": "99.9%", "sli": sli}]
    judged(tmp_path, yaml.safe_dump(slos))


def test_an_slo_from_pyrra_is_valid(tmp_path: Path) -> None:
    """The file's parts, after the move."""
    shown = yaml.safe_load(last_block("from-pyrra"))
    assert shown["period"] == "28d"
    judged(tmp_path, yaml.safe_dump(shown["slos"]))
